from setuptools import find_packages, setup

setup(
    name="lass-plugin",
    version="0.1.0",
    packages=find_packages(include=["lass_plugin", "lass_plugin.*"]),
    entry_points={"console_scripts": ["lass = lass_plugin.cli.main:main"]},
)
