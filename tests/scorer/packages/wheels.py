"""Wheels of models, made by hand or by pip."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[3]

SHADE = '''
import os
from pathlib import Path
import numpy as np
from scorer.models import ModelSpec

class Shade:
    """Every frame in the one shade that its weights say."""
    runtime = "shade cpu"
    def __init__(self, settings):
        self.shade = int((Path(os.environ["SCORER_WEIGHTS"]) / "shade.txt").read_text())
    def score(self, frames):
        return np.full_like(frames, self.shade)
    def reset(self):
        pass

SPEC = ModelSpec(name="shade", summary="one shade", style="none", load=Shade, options={"depth": "how deep"})
'''


def make_wheel(
    folder: Path, name: str, code: str, entry_points: str, requires: tuple[str, ...] = (), version: str = "1.0"
) -> Path:
    """A wheel of one module `name`."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    metadata = "".join(f"Requires-Dist: {each}\n" for each in requires)
    files = {
        f"{name}.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[scorer.models]\n{entry_points}\n",
    }
    record = "".join(f"{each},,\n" for each in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as wheel:
        for each, text in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(zipfile.ZipInfo(each), text)
    return path


def shade(folder: Path, value: int) -> tuple[Path, Path]:
    """The wheel of a model that makes every frame one shade, and its weights."""
    weights = folder / "shade.txt"
    weights.write_text(str(value))
    return make_wheel(folder, "our_shade", SHADE, "shade = our_shade:SPEC"), weights


def edges(folder: Path) -> Path:
    """The wheel of examples/edges, as pip makes it."""
    source = folder / "source"
    shutil.copytree(ROOT / "examples/edges", source)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--wheel-dir", str(folder), str(source)], check=True, timeout=120)
    (wheel,) = folder.glob("*.whl")
    return wheel
