"""The wheel that users install, away from the checkout."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def test_the_wheel_works_from_a_clean_environment(tmp_path: Path) -> None:
    """Built from the checkout, installed into a new environment (its dependencies are those of this one), and run."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(REPOSITORY)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    home = tmp_path / "clean"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True, capture_output=True)
    (site,) = home.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    where = subprocess.run(
        [python, "-c", "import marey; print(marey.__file__)"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert str(site) in where.stdout
    for arguments in (["--help"], ["models", "r2plus1d_18", "--layers"], ["doctor", "--json"]):
        ran = subprocess.run(
            [home / "bin" / "marey", *arguments], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert ran.returncode == 0 and ran.stdout, ran.stderr
    page = "import marey.report.page, marey.presets as p; print(len(p.label_list('kinetics400')))"
    ran = subprocess.run([python, "-c", page], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.stdout.strip() == "400", ran.stderr
