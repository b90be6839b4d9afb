"""What a phone runs networks on: its CPU, GPU or NPU; the flags and libraries that takes, and what really ran there.

LiteRT gives nodes that an accelerator cannot run to the CPU without an error. How many it gave to which delegate is in
its log (tensorflow/lite/core/subgraph.cc): "Replacing 31 out of 31 node(s) with delegate (LITERT_CL) node, yielding 1
partitions"; builds before 2023 print no "out of".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mnas_moo.objectives.phone.settings import Accelerator

LIBRARIES = "/data/local/tmp"
"""Where an accelerator's library has to lie on a phone: beside benchmark_model as its makers' guide puts it."""

GPU_LIBRARY = "libLiteRtOpenClAccelerator.so"
"""LiteRT's GPU accelerator, which is published in the folder of benchmark_model."""

_LIBRARY = {"gpu": GPU_LIBRARY, "npu": "libLiteRtDispatch*.so"}  # patterns of file names
_REPLACED = re.compile(r"Replacing (\d+)(?: out of (\d+))? node\(s\) with delegate \(([^()\n]*)\)")


@dataclass(frozen=True)
class Delegation:
    """What an accelerator ran of a network.

    Attributes:
        accelerator: "gpu" or "npu".
        delegate: the delegate that ran it, as LiteRT names it; None: the log names none.
        share: share of the nodes that were given to it, 0 to 1; None: the log does not say.
    """

    accelerator: Accelerator
    delegate: str | None = None
    share: float | None = None


def flags(accelerator: Accelerator, *, library: bool) -> list[str]:
    """The flags of benchmark_model; both programs of that name know the first.

    >>> flags("npu", library=True)
    ['--use_npu=true', '--dispatch_library_path=/data/local/tmp']
    """
    if accelerator == "cpu":
        return []
    path = [f"--dispatch_library_path={LIBRARIES}"] if accelerator == "npu" and library else []
    return [f"--use_{accelerator}=true", *path]


def library_script(accelerator: Accelerator, mark: str) -> str:
    """Prints a line ``mark`` "library" digest path for each library of the accelerator that the phone has."""
    if accelerator == "cpu":
        return ""
    return (
        f"for library in {LIBRARIES}/{_LIBRARY[accelerator]}; do\n"
        f'[ -f "$library" ] && echo "{mark} library $(sha256sum "$library")"\ndone\n'
    )


def delegation(accelerator: Accelerator, output: str) -> Delegation:
    """Reads from benchmark_model's log what the accelerator ran.

    A log in which only the CPU's XNNPACK replaced nodes says that the accelerator ran none.

    >>> delegation("gpu", "INFO: Replacing 17 out of 21 node(s) with delegate (LITERT_CL) node, yielding 9 partitions")
    Delegation(accelerator='gpu', delegate='LITERT_CL', share=0.8095238095238095)
    >>> delegation("gpu", "INFO: Replacing 17 node(s) with delegate (TfLiteGpuDelegateV2) node").share is None
    True
    """
    replaced = _REPLACED.findall(output)
    names = [name for _, _, name in replaced if "xnnpack" not in name.lower()]
    if not names:
        return Delegation(accelerator, share=0.0 if replaced else None)
    ours = [(int(count), int(total or 0)) for count, total, name in replaced if name == names[0]]
    if not all(0 <= count <= total and total for count, total in ours):
        return Delegation(accelerator, names[0])
    # One line for each subgraph.
    return Delegation(accelerator, names[0], sum(count for count, _ in ours) / sum(total for _, total in ours))


def objection(found: Delegation, *, full: bool) -> str:
    """Why the time of a network is not to be used; empty: it is.

    Args:
        found: what ran on the accelerator.
        full: whether all of the network has to run there.
    """
    name = found.accelerator.upper()
    if found.share == 0:
        return f"no node of it runs on the {name}; LiteRT would run it on the CPU"
    if full and found.share is None:
        return f"benchmark_model does not say how many nodes ran on the {name}, and require_full_delegation is true"
    if full and found.share is not None and found.share < 1:
        return f"only {found.share:.0%} of its nodes run on the {name}, and require_full_delegation is true"
    return ""
