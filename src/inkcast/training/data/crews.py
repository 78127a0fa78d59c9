"""Who does the parts of a build: processes of this machine, or Ray's actors on one or many. The work is `do` alike."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice

from inkcast.errors import MissingExtraError, TrainingError
from inkcast.training.data.building import Crew, Job, do, here
from inkcast.training.data.schema import Part

HERE = "local"
LOOPBACK = "127.0.0.1"  # other addresses may be closed to their own machine


def be_one_of(workers: int) -> None:
    """Shares this machine's cores among the workers."""
    import torch

    torch.set_num_threads(max(1, (os.cpu_count() or 1) // workers))


def elsewhere(job: Job) -> Part:
    """`do` in another process, whose errors come back pickled."""
    try:
        return do(job)
    except MissingExtraError as error:  # made of three arguments, it would not survive the way back
        raise TrainingError(str(error)) from None


@dataclass(frozen=True)
class Processes:
    """`count` processes of this machine."""

    count: int

    def __call__(self, jobs: Iterable[Job]) -> Iterator[Part]:
        """Raises `TrainingError` if a process dies; what the others finished stays."""
        remaining, running = iter(jobs), set[Future[Part]]()
        # Spawned, not forked: a forked child inherits locks of torch's threads.
        pool = ProcessPoolExecutor(self.count, multiprocessing.get_context("spawn"), be_one_of, (self.count,))
        try:
            # Few jobs at a time: a plan of millions is not held twice.
            while running := running | {
                pool.submit(elsewhere, job) for job in islice(remaining, 2 * self.count - len(running))
            }:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        except BrokenProcessPool as error:
            raise TrainingError(
                "a worker process died, perhaps for want of memory; run the same command again, with fewer --workers"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class RayCrew:
    """Actors on a Ray cluster: `address` as Ray takes it ("auto" for the running one), or "local" for a new one here.

    Every machine must see the source and the output folder under the same paths. `count` 0: one actor for each free
    GPU if `gpus` is set, else for each core.
    """

    address: str = HERE
    count: int = 0
    gpus: float = 0.0

    def __call__(self, jobs: Iterable[Job]) -> Iterator[Part]:
        """Raises `MissingExtraError` without the extra `cluster`, `TrainingError` if the cluster cannot serve."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if self.address == HERE:  # its ports are open to the network: only who has the token gets in
            os.environ.setdefault("RAY_AUTH_MODE", "token")
        try:
            import ray
        except ImportError as error:
            raise MissingExtraError("ray", "cluster", "building data on a cluster") from error
        try:
            if self.address == HERE:
                ray.init(
                    address=HERE,
                    include_dashboard=False,
                    num_cpus=self.count or None,
                    log_to_driver=False,
                    _node_ip_address=LOOPBACK,
                )
            else:
                ray.init(address=self.address, log_to_driver=False)
        except (ConnectionError, RuntimeError, ValueError, ray.exceptions.AuthenticationError) as error:
            reason = " ".join(str(error).split())[:120]
            raise TrainingError(
                f"no Ray cluster at '{self.address}': {reason}; start one by  ray start --head"
            ) from error
        try:
            yield from self._run(ray, iter(jobs))
        finally:
            ray.shutdown()

    def _run(self, ray: object, jobs: Iterator[Job]) -> Iterator[Part]:
        from ray.exceptions import RayActorError, RayTaskError

        resource, share = ("GPU", self.gpus) if self.gpus else ("CPU", 1.0)
        free = ray.cluster_resources().get(resource, 0.0)  # type: ignore[attr-defined]
        count = self.count or int(free / share)
        if not count or count * share > free + 1e-9:
            raise TrainingError(
                f"the Ray cluster has {free:g} {resource}, which is too few for {count or 1} workers of {share:g}"
            )
        actor = ray.remote(num_cpus=1, num_gpus=self.gpus)(Worker)  # type: ignore[attr-defined]
        idle = [actor.remote() for _ in range(count)]
        busy: dict[object, object] = {}
        try:
            while True:
                while idle and (job := next(jobs, None)) is not None:
                    worker = idle.pop()
                    busy[worker.do.remote(job)] = worker
                if not busy:
                    return
                (done,), _ = ray.wait(list(busy))  # type: ignore[attr-defined]
                idle.append(busy.pop(done))
                yield ray.get(done)  # type: ignore[attr-defined]
        except RayTaskError as error:
            raise error.as_instanceof_cause() from None
        except RayActorError as error:
            raise TrainingError(
                "a Ray worker died, perhaps for want of memory; run the same command again, with fewer --workers"
            ) from error


class Worker:
    """What Ray makes an actor of: it keeps its tools between jobs."""

    def do(self, job: Job) -> Part:
        return elsewhere(job)


def crew_of(workers: int, cluster: str = "", gpus: float = 0.0) -> Crew:
    """The crew for `--workers` (0: as many as there are) and `--cluster` (empty: this machine's processes)."""
    if cluster:
        return RayCrew(cluster, workers, gpus)
    count = workers or os.cpu_count() or 1
    return here if count == 1 else Processes(min(count, 61) if sys.platform == "win32" else count)
