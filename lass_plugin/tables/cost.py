"""What a system costs in parameters and bytes, read from its files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lass_plugin.checkpoints.checkpoint import Checkpoint
from lass_plugin.masks.file import SUFFIX, masks_at
from lass_plugin.methods.registry import method_of
from lass_plugin.methods.subnetworks.method import Subnetworks


@dataclass(frozen=True)
class Cost:
    """Parameters and bytes of one system, as in He 2023, Table 12.

    Attributes:
        parameters: in all; a tensor that the model uses twice counts once.
        maskable: those that the masks cover, 0 without masks.
        kept: pair -> parameters that its sub-network uses; empty without masks.
        weight_bytes: of the parameters as the checkpoint stores them.
        mask_bytes: of all masks: their files, or their bits in the checkpoint.
        file_bytes: the checkpoint on disk. fairseq writes the optimizer's state into it
            too, unless it is told ``--no-save-optimizer-state``.
        carried: the masks are inside the checkpoint.
        base_parameters: of the base that low-rank modules stand in, part of
            *parameters*; 0 without them. Its bytes are not counted.
    """

    name: str
    checkpoint: str
    parameters: int
    maskable: int
    kept: Mapping[str, int]
    weight_bytes: int
    mask_bytes: int
    file_bytes: int
    carried: bool
    base_parameters: int = 0

    @property
    def parameters_of_a_pair(self) -> int:
        """What a translation computes with: low-rank modules are merged for it."""
        return self.base_parameters or self.parameters

    @property
    def checkpoint_bytes(self) -> int:
        """The checkpoint on disk without the masks that it carries."""
        return self.file_bytes - (self.mask_bytes if self.carried else 0)

    @property
    def mask_bits(self) -> float | None:
        """Bits on disk for each weight and mask, None without masks."""
        if not self.kept:
            return None
        return 8 * self.mask_bytes / (self.maskable * len(self.kept))


def cost_of(
    name: str,
    checkpoint: str | Path,
    inference_masks: str | None = None,
    base: str | Path | None = None,
) -> Cost:
    """Read what a checkpoint and its masks take.

    Args:
        inference_masks: a folder, files (with commas) or a checkpoint with the masks in
            use; None for those that the checkpoint carries, if any.
        base: of low-rank modules; None for where it was in training.

    Raises:
        LassError: a file is missing or damaged, or the masks are of another model.
    """
    path = Path(checkpoint)
    state = Checkpoint.read(path)
    method = method_of(state.task_state, str(path))
    is_parameter = method.is_parameter
    own = not inference_masks and method.masks is not None
    if inference_masks:
        method = Subnetworks(masks_at(inference_masks))
    tensors = {n: t for n, t in state.parameters.items() if is_parameter(n)}
    sizes = method.sizes(state, None if base is None else Path(base))
    mask_bytes = _bytes_of_files(inference_masks) or sizes.mask_bytes
    return Cost(
        name,
        str(path),
        sizes.base_parameters + sum(tensor.numel() for tensor in tensors.values()),
        sizes.maskable,
        sizes.kept,
        sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()),
        mask_bytes,
        path.stat().st_size,
        own,
        sizes.base_parameters,
    )


def _bytes_of_files(places: str | None) -> int:
    """Bytes of the mask files at *places*, 0 where they are not all such files."""
    files: list[Path] = []
    for place in map(Path, places.split(",") if places else ()):
        files += sorted(place.glob(f"*{SUFFIX}")) if place.is_dir() else [place]
    if not all(file.suffix == SUFFIX for file in files):
        return 0
    return sum(file.stat().st_size for file in files)
