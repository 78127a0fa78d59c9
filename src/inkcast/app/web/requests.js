// Two faults of Gradio's client, mended where its requests leave the page.
//
// Its server ends a page's stream of answers once no event is under way, and the client opens another for the next event
// unless it holds one that is still open. An event that is sent while the word of the end is on its way has neither: its
// answer waits until yet another event. Here a stream that ends while events are under way goes on.
//
// Its image editor uploads its picture and every layer whenever any event begins or ends: hundreds of times a minute,
// until the studio says that it is too much. Here what was uploaded a moment ago is not uploaded again.
(() => {
  const KEPT = 16;
  const FRESH = 10 * 60 * 1000; // milliseconds; the server keeps uploads for a day
  const plain = window.fetch;
  const uploads = [];
  const running = new Set();
  const ended = new Set(); // before the answer that tells their ids
  let sent = 0; // whose ids are not told yet

  async function join(input, options) {
    sent += 1;
    try {
      const answer = await plain(input, options);
      const id = answer.ok ? (await answer.clone().json()).event_id : null;
      if (id && !ended.delete(id)) running.add(id);
      return answer;
    } finally {
      sent -= 1;
    }
  }

  function heard(line) {
    const said = JSON.parse(line.slice('data:'.length));
    if (said.msg === 'process_completed' && !running.delete(said.event_id)) ended.add(said.event_id);
    return said.msg === 'close_stream';
  }

  async function listen(input, options) {
    const again = input instanceof Request ? () => input.clone() : () => input;
    const first = await plain(again(), options);
    if (!first.ok || !first.body) return first;
    const body = new ReadableStream({
      async start(out) {
        const encoder = new TextEncoder();
        let answer = first;
        try {
          while (answer) {
            const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
            answer = null;
            let left = '';
            for (let read = await reader.read(); !read.done; read = await reader.read()) {
              const lines = (left + read.value).split('\n');
              left = lines.pop();
              for (const line of lines) {
                const closes = line.startsWith('data:') && heard(line);
                if (closes && sent + running.size) answer = await plain(again(), options);
                else out.enqueue(encoder.encode(line + '\n'));
              }
            }
          }
          out.close();
        } catch (error) {
          out.error(error);
        }
      },
    });
    return new Response(body, { status: first.status, headers: first.headers });
  }

  const alike = (one, other) => one.length === other.length && one.every((byte, at) => byte === other[at]);

  async function upload(input, options) {
    const [file, ...others] = options?.body instanceof FormData ? options.body.values() : [];
    if (!(file instanceof File) || others.length) return plain(input, options);
    const [bytes, now] = [new Uint8Array(await file.arrayBuffer()), Date.now()];
    const known = uploads.find((one) => one.name === file.name && now - one.at < FRESH && alike(one.bytes, bytes));
    if (known) return (await known.answer).clone();
    const made = { name: file.name, bytes, at: now, answer: plain(input, options) };
    const kept = uploads.push(made);
    if (kept > KEPT) uploads.shift();
    const answer = await made.answer.catch(() => null);
    if (!answer?.ok) uploads.splice(uploads.indexOf(made) >>> 0, 1);
    return answer ? answer.clone() : made.answer;
  }

  window.fetch = (input, options) => {
    const { pathname, search } = new URL(input instanceof Request ? input.url : input, document.baseURI);
    if (pathname.endsWith('/queue/join')) return join(input, options);
    if (pathname.endsWith('/queue/data')) return listen(input, options);
    // With an upload_id somebody chose a file and is shown its progress.
    if (pathname.endsWith('/upload') && !search) return upload(input, options);
    return plain(input, options);
  };
})();
