"""Where things are and how notebooks are run: shared by the build, the tests and the tidier.

One place for this keeps `make book`, `make test` and `make tidy` from executing the same notebook
under three slightly different environments.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Each notebook gets one thread, because the notebooks themselves run in parallel.
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)

# Read by every kernel before its first cell. A filter given through PYTHONWARNINGS would match
# whole module names only, and IPython overrides it for __main__. No name is defined, because the
# lines run in the notebook's own namespace. On a page a progress bar's widget is dead, so that bars
# are text here, on the standard error that the pages leave out.
_KERNEL_CONFIG = """\
c.IPKernelApp.log_level = "ERROR"
c.HistoryManager.enabled = False
c.InteractiveShellApp.exec_lines = [
    f'__import__("warnings").filterwarnings("error", category={name}, module={module!r})'
    for name in ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning")
    for module in (r"__main__$", r"latent_transfer(\\.|$)")
] + ['__import__("sys").modules["tqdm.autonotebook"] = __import__("tqdm.std").std']
"""


def notebooks(root: Path = ROOT) -> list[Path]:
    """List the book's notebooks in a fixed order.

    Args:
        root: Top of the working tree.

    Returns:
        Every ``.ipynb`` file under ``book/`` but for editors' checkpoints.
    """
    found = (root / "book").rglob("*.ipynb")
    return sorted(path for path in found if ".ipynb_checkpoints" not in path.parts)


def pages(root: Path = ROOT) -> list[Path]:
    """List the book's sources, notebooks and Markdown files, in a fixed order."""
    found = [*notebooks(root), *(root / "book").rglob("*.md")]
    return sorted(path for path in found if ".ipynb_checkpoints" not in path.parts)


def kernel_environment(build: Path) -> dict[str, str]:
    """Describe the environment of every notebook that the tools execute.

    Args:
        build: The build folder. The settings and caches of Jupyter, IPython and matplotlib go
            there, so that a build neither reads nor writes the user's own.

    Returns:
        The variables to set on top of the current environment.
    """
    home = build / "kernel"
    config = home / "ipython" / "profile_default" / "ipython_kernel_config.py"
    config.parent.mkdir(parents=True, exist_ok=True)
    if not config.exists() or config.read_text(encoding="utf-8") != _KERNEL_CONFIG:
        config.write_text(_KERNEL_CONFIG, encoding="utf-8")
    return {
        **dict.fromkeys(_THREAD_VARIABLES, "1"),
        "IPYTHONDIR": str(home / "ipython"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "JUPYTER_PLATFORM_DIRS": "1",
        "MPLCONFIGDIR": str(home / "matplotlib"),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "PYTHONHASHSEED": "0",
    }
