"""The validations in the log of a model, as a table of its card."""

from __future__ import annotations

from pathlib import Path

from eval.report.sources import json_lines, markdown


def validation(results: Path, *, model: str) -> str:
    """Return the figures of the validation set at the beginning, in the course and at the end of every stage.

    `results` is eval/results; the log is that of the model's folder.
    """
    log = json_lines(results.parents[1] / "models" / model / "training.jsonl")
    rows = []
    for entry in log:
        if figures := entry.get("validation"):
            rows.append([
                entry["stage"], f"{entry['update']:,}", f"{figures['loss']:.4f}", f"{figures['bpp']:.4f}",
                f"{figures['psnr']:.2f} dB", f"{figures['ms_ssim']:.2f} dB",
            ])  # fmt: skip
    return markdown(["stage", "update", "loss", "bpp", "PSNR", "MS-SSIM"], rows)
