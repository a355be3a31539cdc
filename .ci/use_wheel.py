"""Use an installed wheel: train, report, serve the visor's page.

    git ls-files minicnn | python use_wheel.py

Run it in an empty folder, with the Python of an environment that holds the wheel and its visor
extra. The names of the files that the package must hold come from standard input.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import minicnn

PAGE = "minicnn/visor/page/"


def command(name: str, *arguments: str) -> list[str]:
    """python -m minicnn.NAME ARGUMENTS."""
    return [sys.executable, "-m", f"minicnn.{name}", *arguments]


def main() -> None:
    committed = sys.stdin.read().split()
    package = Path(minicnn.__file__).parent
    assert package.parent.name == "site-packages", f"{package} is not the installed wheel"
    missing = [name for name in committed if not (package.parent / name).is_file()]
    assert not missing, f"the wheel lacks {missing}"

    options = ["--model", "codelab", "--epochs", "2", "--backend", "numpy", "--out", "run"]
    subprocess.run(command("train", *options), check=True)
    subprocess.run(command("report", "run"), check=True)
    assert Path("run/report.html").stat().st_size > 0

    visor = subprocess.Popen(
        command("visor", "run", "--no-browser"), stdout=subprocess.PIPE, text=True
    )
    try:
        assert visor.stdout is not None
        found = re.search(r"http://\S+/", visor.stdout.readline())
        assert found, "the visor printed no link"
        files = [name.removeprefix(PAGE) for name in committed if name.startswith(PAGE)]
        assets = [f"page/{name}" for name in files if not name.endswith((".html", ".py"))]
        for path in ["", "plotly.js", *assets]:
            with urlopen(found[0] + path, timeout=60) as response:  # HTTPError unless 2xx
                assert response.status == 200, path
                assert response.read(), path
    finally:
        visor.terminate()
        visor.wait(60)
    print(f"the wheel trains, reports and serves its page with {len(assets)} files")


if __name__ == "__main__":
    main()
