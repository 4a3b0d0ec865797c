"""The slots of a machine: each GPU is one, named by its UUID; without GPUs the CPU is one."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from jobs.settings import Settings, SettingsError


@dataclass(frozen=True)
class SlotSpec:
    """A place for one job at a time. ``device`` is a GPU's UUID, or ``cpu``."""

    name: str
    resource: str
    device: str


def found(settings: Settings) -> list[SlotSpec]:
    """The slots that ``ATELIER_SLOTS`` names, or one per GPU found, or one for the CPU.

    Raises :class:`SettingsError` when it names what is not there.
    """
    if settings.slots == "auto":
        gpus = gpu_uuids()
        if gpus:
            return [_gpu(index, uuid) for index, uuid in enumerate(gpus)]
        return [_cpu(0)]
    slots: list[SlotSpec] = []
    for part in settings.slots.split(";"):
        slots.extend(_named(part.strip(), settings.slots))
    return slots


def spec(settings: Settings) -> SlotSpec:
    """The one slot of this worker process (``ATELIER_SLOT``)."""
    resource, _, index = settings.slot.partition(":")
    if resource not in ("cpu", "gpu") or not index.isdigit():
        raise SettingsError(f"ATELIER_SLOT={settings.slot!r}: write cpu:0 or gpu:1")
    if resource == "cpu":
        return _cpu(int(index))
    return _gpu_at(int(index), f"ATELIER_SLOT={settings.slot}")


def gpu_uuids() -> list[str]:
    """UUIDs of the GPUs in PCI bus order; empty without a driver."""
    command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def _named(part: str, whole: str) -> list[SlotSpec]:
    resource, _, rest = part.partition(":")
    if resource == "cpu" and rest.isdigit() and int(rest) >= 1:
        return [_cpu(index) for index in range(int(rest))]
    indexes = rest.split(",")
    if resource == "gpu" and all(index.isdigit() for index in indexes):
        return [_gpu_at(int(index), f"ATELIER_SLOTS={whole}") for index in indexes]
    raise SettingsError(
        f"ATELIER_SLOTS={whole!r}: write auto, cpu:<how many>, gpu:<index>,<index>, or several"
        " of these with ';' between"
    )


def _gpu_at(index: int, asked: str) -> SlotSpec:
    uuids = gpu_uuids()
    if index >= len(uuids):
        raise SettingsError(f"{asked}: there is no GPU {index}; {len(uuids)} found")
    return _gpu(index, uuids[index])


def _cpu(index: int) -> SlotSpec:
    return SlotSpec(f"cpu:{index}", "cpu", "cpu")


def _gpu(index: int, uuid: str) -> SlotSpec:
    return SlotSpec(f"gpu:{index}", "gpu", uuid)
