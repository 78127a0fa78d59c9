"""The UNet with our processors: diffusers' own without a memory, and sound under everything diffusers does to it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from accelerate.hooks import CpuOffload, add_hook_to_module
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor2_0
from peft import LoraConfig
from tests import tiny

from inkcast.errors import EngineError
from inkcast.sdxl.attention import AttentionMemory, AttentionTrace, KeyValue
from inkcast.sdxl.fitting import fit
from inkcast.sdxl.layers import LayerProjections, attention_layers, check_prepared, prepare, project_text, restore


@pytest.fixture
def unet() -> UNet2DConditionModel:
    torch.manual_seed(0)
    model = tiny.unet()
    prepare(model)
    return model


def run(unet: UNet2DConditionModel, inputs: dict, memory: AttentionMemory | None = None, trace=None) -> torch.Tensor:
    kwargs = None if memory is None else {"memory": memory, "trace": trace}
    return unet(**inputs, cross_attention_kwargs=kwargs).sample


def subjects_for(unet: UNet2DConditionModel, rows: int, subjects: int | None, tokens: int = 4, seed: int = 1):
    torch.manual_seed(seed)
    crosses = [layer for layer in attention_layers(unet) if layer.is_cross]
    shape = (rows, tokens, 16) if subjects is None else (rows, subjects, tokens, 16)
    return LayerProjections(crosses, 16)(torch.randn(shape))


def full_memory(unet: UNet2DConditionModel, inputs: dict, subjects: int = 2) -> AttentionMemory:
    """Everything at once: cached text, gated subjects with a background, reference columns, a router."""
    rows = inputs["sample"].shape[0]
    torch.manual_seed(2)
    reference = {}
    for layer in attention_layers(unet)[2:]:
        if not layer.is_cross:
            shape = (rows, subjects, layer.heads, 5, layer.channels // layer.heads)
            reference[layer.name] = KeyValue(torch.randn(shape), torch.randn(shape))
    memory = AttentionMemory(
        text=project_text(unet, inputs["encoder_hidden_states"]),
        subjects=subjects_for(unet, rows, subjects + 1),
        reference=reference,
        router=halves_router(subjects),
    )
    return fit(memory, (8, 8))


def halves_router(subjects: int):
    """Subject i gets an equal horizontal band of the pixels, the background none."""

    def router(layer: str, latents: torch.Tensor) -> torch.Tensor:
        pixels = latents.shape[1]
        band = torch.arange(pixels) * subjects // pixels
        routing = torch.cat([(band == i).float()[None] for i in range(subjects)] + [torch.full((1, pixels), 0.1)])
        return routing.expand(latents.shape[0], -1, -1)

    return router


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_no_memory_is_stock_diffusers_to_the_bit(rows: int) -> None:
    torch.manual_seed(0)
    stock = tiny.unet()
    inputs = tiny.unet_inputs(stock, rows)
    with torch.no_grad():
        expected = stock(**inputs).sample
        prepare(stock)
        assert torch.equal(run(stock, inputs), expected)
        assert torch.equal(run(stock, inputs, AttentionMemory(), AttentionTrace()), expected)
        restore(stock)
        assert all(type(p) is AttnProcessor2_0 for p in stock.attn_processors.values())
        assert torch.equal(stock(**inputs).sample, expected)


@torch.no_grad()
def test_cached_text_equals_uncached_to_the_bit(unet: UNet2DConditionModel) -> None:
    inputs = tiny.unet_inputs(unet, 2)
    memory = AttentionMemory(text=project_text(unet, inputs["encoder_hidden_states"]))
    assert torch.equal(run(unet, inputs, memory), run(unet, inputs))


@torch.no_grad()
def test_cached_text_is_what_is_read(unet: UNet2DConditionModel) -> None:
    inputs, other = tiny.unet_inputs(unet, 2), tiny.unet_inputs(unet, 2, seed=9)
    memory = AttentionMemory(text=project_text(unet, other["encoder_hidden_states"]))
    expected = run(unet, inputs | {"encoder_hidden_states": other["encoder_hidden_states"]})
    assert torch.equal(run(unet, inputs, memory), expected)


@torch.no_grad()
def test_prompt_masks_hold_with_cached_text(unet: UNet2DConditionModel) -> None:
    inputs = tiny.unet_inputs(unet, 2)
    mask = torch.ones(2, 77, dtype=torch.bool)
    mask[:, 20:] = False
    memory = AttentionMemory(text=project_text(unet, inputs["encoder_hidden_states"]))
    expected = run(unet, inputs | {"encoder_attention_mask": mask})
    torch.testing.assert_close(run(unet, inputs | {"encoder_attention_mask": mask}, memory), expected)
    assert not torch.allclose(expected, run(unet, inputs))


@torch.no_grad()
def test_strength_zero_is_plain_to_the_bit(unet: UNet2DConditionModel) -> None:
    inputs = tiny.unet_inputs(unet, 2)
    memory = replace(full_memory(unet, inputs), reference={}, subject_scale=0.0)
    assert torch.equal(run(unet, inputs, memory, AttentionTrace()), run(unet, inputs))


@torch.no_grad()
def test_a_batch_of_two_is_two_singles(unet: UNet2DConditionModel) -> None:
    inputs = tiny.unet_inputs(unet, 2)
    memory = full_memory(unet, inputs)
    both = run(unet, inputs, memory, AttentionTrace())
    for i in range(2):
        one = {
            name: {k: v[i : i + 1] for k, v in x.items()} if isinstance(x, dict) else x[i : i + 1] if x.ndim else x
            for name, x in inputs.items()
        }
        part = {
            field: {k: KeyValue(v.key[i : i + 1], v.value[i : i + 1]) for k, v in getattr(memory, field).items()}
            for field in ("text", "subjects", "reference")
        }
        single = run(unet, one, replace(memory, **part), AttentionTrace())
        torch.testing.assert_close(single, both[i : i + 1], atol=2e-5, rtol=1e-4)


@torch.no_grad()
def test_the_positive_half_serves_half_the_batch(unet: UNet2DConditionModel) -> None:
    inputs, half = tiny.unet_inputs(unet, 2), tiny.unet_inputs(unet, 1)
    memory = replace(full_memory(unet, inputs), guided=True)
    positive = {
        field: {k: KeyValue(v.key[1:], v.value[1:]) for k, v in getattr(memory, field).items()}
        for field in ("text", "subjects", "reference")
    }
    expected = run(unet, half, replace(memory, guided=False, **positive), AttentionTrace())
    assert torch.equal(run(unet, half, memory, AttentionTrace()), expected)


def test_a_memory_of_other_rows_is_refused(unet: UNet2DConditionModel) -> None:
    memory = AttentionMemory(text=project_text(unet, torch.randn(1, 77, 64)))
    with pytest.raises(EngineError, match=r"1 rows but the UNet's batch has 2: build it with rows\(\)"):
        run(unet, tiny.unet_inputs(unet, 2), memory)
    two = AttentionMemory(text=project_text(unet, torch.randn(2, 77, 64)))
    with pytest.raises(EngineError, match="2 rows but the UNet's batch has 1"):
        run(unet, tiny.unet_inputs(unet, 1), two)


def test_nothing_constant_is_projected_in_the_loop(unet: UNet2DConditionModel) -> None:
    inputs = tiny.unet_inputs(unet, 2)
    memory = full_memory(unet, inputs)
    calls = dict.fromkeys((layer.name for layer in attention_layers(unet)), 0)
    for layer in attention_layers(unet):
        attn = unet.get_submodule(layer.name)
        for linear in (attn.to_k, attn.to_v):
            linear.register_forward_hook(lambda *_, name=layer.name: calls.update({name: calls[name] + 1}))
    with torch.no_grad():
        for _ in range(3):
            run(unet, inputs, memory, AttentionTrace())
    crosses = {layer.name for layer in attention_layers(unet) if layer.is_cross}
    assert all(calls[name] == 0 for name in crosses)
    assert all(n == 2 * 3 for name, n in calls.items() if name not in crosses)  # self-attention reads what changes


@pytest.mark.parametrize("how", ["slicing", "fused", "default", "one"])
def test_replaced_processors_are_refused(unet: UNet2DConditionModel, how: str) -> None:
    check_prepared(unet)
    match how:
        case "slicing":
            unet.set_attention_slice("auto")
        case "fused":
            unet.fuse_qkv_projections()
        case "default":
            restore(unet)
        case "one":
            unet.get_submodule(attention_layers(unet)[5].name).set_processor(AttnProcessor2_0())
    with pytest.raises(
        EngineError, match=r"attention processor of \S+ was replaced by \w+: .*turn off attention slicing"
    ):
        check_prepared(unet)
    if how == "fused":
        unet.unfuse_qkv_projections()
    prepare(unet)
    check_prepared(unet)


def test_gradient_checkpointing_changes_nothing(unet: UNet2DConditionModel) -> None:
    inputs = tiny.unet_inputs(unet, 2)
    unet.requires_grad_(False).train()
    results = []
    for checkpointing in (False, True):
        (unet.enable_gradient_checkpointing if checkpointing else unet.disable_gradient_checkpointing)()
        memory, trace = full_memory(unet, inputs), AttentionTrace(record_attention=True)
        leaves = [kv.key.detach().requires_grad_() for kv in memory.subjects.values()]
        subjects = {
            name: KeyValue(leaf, kv.value) for leaf, (name, kv) in zip(leaves, memory.subjects.items(), strict=True)
        }
        sample = run(unet, inputs, replace(memory, subjects=subjects), trace)
        loss = sample.square().mean() + sum(a[..., 0].square().mean() for a in trace.attention.values())
        loss.backward()
        results.append((sample.detach(), [leaf.grad for leaf in leaves]))
    torch.testing.assert_close(results[0], results[1])
    assert all(grad.abs().sum() > 0 for grad in results[0][1])


def test_it_trains_under_autocast(unet: UNet2DConditionModel) -> None:
    """Memory made outside the autocast block, as a cache would hold it, and inside."""
    inputs = tiny.unet_inputs(unet, 2)
    outside = full_memory(unet, inputs)
    expected = run(unet, inputs, outside, AttentionTrace())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for memory in (outside, full_memory(unet, inputs)):
            sample = run(unet, inputs, memory, AttentionTrace())
            assert (sample.float() - expected).norm() < 0.05 * expected.norm()
            sample.float().square().mean().backward()


def test_compiles_whole_with_one_recompile_per_number_of_subjects() -> None:
    from torch._dynamo.testing import CompileCounter

    torch._dynamo.reset()
    unet = tiny.unet(transformer_layers_per_block=(1, 1, 1))
    prepare(unet)
    counter = CompileCounter()
    compiled = torch.compile(unet, fullgraph=True, backend=counter)
    inputs = tiny.unet_inputs(unet, 2)
    seen = []
    with torch.no_grad():
        for subjects in (1, 2, 3):
            memory = full_memory(unet, inputs, subjects)
            expected_trace, trace = AttentionTrace(), AttentionTrace()
            expected = run(unet, inputs, memory, expected_trace)
            for _ in range(3):
                trace.reset()
                torch.testing.assert_close(run(compiled, inputs, memory, trace), expected)
                assert trace.gates.keys() == expected_trace.gates.keys()
            seen.append(counter.frame_count)
        other = full_memory(unet, tiny.unet_inputs(unet, 2, seed=4), 2)
        run(compiled, inputs, other, AttentionTrace())  # another panel with as many subjects: no recompile
    assert seen == [1, 2, 3]
    assert counter.frame_count == 3
    torch._dynamo.reset()


@torch.no_grad()
def test_lora_on_and_off(unet: UNet2DConditionModel) -> None:
    inputs = tiny.unet_inputs(unet, 2)
    plain = run(unet, inputs, AttentionMemory(text=project_text(unet, inputs["encoder_hidden_states"])))
    unet.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_k", "to_v", "to_out.0"], init_lora_weights=False))
    check_prepared(unet)
    with_lora = run(unet, inputs, AttentionMemory(text=project_text(unet, inputs["encoder_hidden_states"])))
    torch.testing.assert_close(with_lora, run(unet, inputs))
    assert not torch.allclose(with_lora, plain, atol=1e-3)
    unet.disable_adapters()
    off = run(unet, inputs, AttentionMemory(text=project_text(unet, inputs["encoder_hidden_states"])))
    assert torch.equal(off, plain)
    unet.enable_adapters()
    unet.fuse_lora()
    torch.testing.assert_close(
        run(unet, inputs, AttentionMemory(text=project_text(unet, inputs["encoder_hidden_states"]))), with_lora
    )


@torch.no_grad()
def test_offload_hooks_copy_neither_memory_nor_trace(unet: UNet2DConditionModel) -> None:
    """What enable_model_cpu_offload puts on the UNet, with the CPU standing in for the accelerator."""
    inputs = tiny.unet_inputs(unet, 2)
    memory, trace = full_memory(unet, inputs), AttentionTrace()
    expected = run(unet, inputs, memory, AttentionTrace())
    hook = CpuOffload(execution_device="cpu")
    brought_in = []
    before = hook.pre_forward
    hook.pre_forward = lambda module, *a, **k: (brought_in.append(1), before(module, *a, **k))[1]  # type: ignore[method-assign]
    add_hook_to_module(unet, hook)
    text = project_text(unet, inputs["encoder_hidden_states"])
    assert brought_in, "the text must be projected after the UNet is on its device"
    assert torch.equal(run(unet, inputs, replace(memory, text=text), trace), expected)
    assert len(trace.gates) == sum(layer.is_cross for layer in attention_layers(unet))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: enable_model_cpu_offload")
def test_model_offload_draws_what_plain_drawing_draws(tiny_base_folder) -> None:
    from tests.sampling.test_sampler import conditioning

    from inkcast.sampling.sampler import DrawSettings, draw
    from inkcast.sdxl.backbone import load_backbone

    pictures = []
    for low_vram in (False, True):
        base = load_backbone(tiny_base_folder, device="cuda", dtype=torch.float32, low_vram=low_vram)
        pictures.append(draw(base, conditioning(base), DrawSettings((64, 64), steps=3))[0].tobytes())
    assert pictures[0] == pictures[1]
