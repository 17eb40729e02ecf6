"""Schedules: the cumulative share of weights removed at an update or an epoch."""

from lass_plugin.errors import LassError


def cubic(step: int, target: float, start: int, length: int) -> float:
    """Ratio at *step* of a cubic ramp (He 2023, Eq. 4; Zhu and Gupta 2017).

    R_t = 0                                 for t <= T1
          R_p - R_p (1 - (t - T1) / T2)^3   for T1 < t < T1 + T2
          R_p                               from T1 + T2 on

    Args:
        step: t, number of updates (or epochs) done.
        target: R_p, in [0, 1).
        start: T1, length of the first stage, without pruning.
        length: T2, length of the ramp; 0 jumps to the target after *start*.

    Note:
        Eq. 4 leaves t = T1 to its last line, which would jump to the target for one
        step; here the ramp starts from 0 at T1.
    """
    if step >= start + length and (length > 0 or step > start):
        return target
    if step <= start:
        return 0.0
    return target * (1.0 - (1.0 - (step - start) / length) ** 3)


def three_stages(updates: int) -> tuple[int, int]:
    """T1 and T2 of a search of *updates* updates: a twentieth and nine twentieths.

    What is left, half of them or more, is the third stage, at the target ratio. These
    are the shares of He 2023, App. C.1 (4K, 36K and 40K updates), at any length.
    """
    return updates // 20, max(1, 9 * updates // 20)


def check_ratio(ratio: float, what: str = "ratio") -> float:
    """Return *ratio* if it is in [0, 1), else raise :class:`LassError`."""
    if not 0.0 <= ratio < 1.0:
        raise LassError(
            f"{what} {ratio} is outside [0, 1); it is the share that is removed, "
            "such as 0.6"
        )
    return ratio
