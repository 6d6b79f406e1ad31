"""The packaged models, and the modules that are imported by their names."""

from PyInstaller.utils.hooks import collect_data_files, collect_submodules

WITH_TORCH = ("handseg.training", "handseg.nets", "handseg.export")  # found from the commands, where torch is there

datas = collect_data_files("handseg")
hiddenimports = collect_submodules("handseg", filter=lambda name: not name.startswith(WITH_TORCH))
