"""What the package is and needs. The exact versions it is tested with are in
constraints.txt; ``scripts/check_requirements.py`` reads the two lists below."""

from pathlib import Path

from setuptools import find_packages, setup

# Lower bound: the oldest release with which the unit tests were seen to pass (PyTorch:
# that has the interface in use). Upper bound: the next major release after the pin.
INSTALL_REQUIRES = [
    # Stock fairseq cannot be imported on Python 3.11 or later; this fork can.
    'fairseq-fixed==0.12.3.1; python_version >= "3.11"',
    'fairseq==0.12.2; python_version < "3.11"',
    "torch>=2.4,<3",  # torch.serialization.add_safe_globals came with 2.4
    "numpy>=1.26,<3",
    "sacrebleu>=2.3,<3",  # metrics as classes, paired significance tests
    "sentencepiece>=0.2,<1",
    "subword-nmt>=0.3.8,<1",
    "sacremoses>=0.1,<1",
    "safetensors>=0.4,<1",
    "matplotlib>=3.8,<4",
    "scipy>=1.11,<2",  # Pearson's correlation with its p-value
    "Jinja2>=3.1,<4",  # the page of a run; torch has it, too
    "PyYAML>=6,<7",  # recipes of lass run; hydra has it, too
]
EXTRAS_REQUIRE = {
    # COMET's package holds to numpy 1, so it cannot be installed under constraints.txt;
    # its torchmetrics 0.10 imports pkg_resources, which setuptools 81 has no more.
    "comet": ["unbabel-comet>=2.2.7,<3", "setuptools<81"],
    # identifies languages offline; 0.4 has the model that was tried, and needs numpy 2
    "zero-shot": ["py3langid>=0.4,<1"],
    "chinese": ["opencc>=1.1,<2"],  # lass corpus wmt: simplified characters
    "corpora": ["mtdata>=0.5,<0.6"],  # lass corpus --download; not tried on a network
    "trees": ["biopython>=1.80,<2", "scipy>=1.11,<2"],  # lass tree
    "peft": ["peft>=0.15,<1", "transformers>=4.48,<6"],  # adapters of lass lslo to-peft
    "ctranslate2": ["ctranslate2>=4.5,<5"],  # --engine ctranslate2
    "xtreme": ["seqeval>=1.2,<2"],  # chunks of tags; brings scikit-learn
    # smaller encoders for onnxruntime; torch's exporter needs onnxscript
    "onnx": ["onnx>=1.16,<2", "onnxscript>=0.5,<1", "onnxruntime>=1.20,<2"],
    "cluster": ["submitit>=1.5,<2"],  # lass run --cluster; tried with a stand-in alone
    "test": [
        "pytest>=8,<10",
        "pytest-timeout>=2.2,<3",
        "pytest-xdist>=3.5,<4",  # the tests on every core
        "hypothesis>=6.90,<7",
        # stock fairseq, the one of Python 3.10, needs numpy 1
        "py3langid>=0.4,<1; python_version >= '3.11'",
        "biopython>=1.80,<2",
        "scipy>=1.11,<2",
    ],
    "dev": ["ruff>=0.9,<1", "mypy>=1.14,<3"],
}

README = Path(__file__).parent / "README.md"

setup(
    name="lass-plugin",
    version="0.1.0",
    description=(
        "A fairseq plugin for language-specific sub-networks of multilingual "
        "translation models"
    ),
    long_description=README.read_text(encoding="utf-8") if README.exists() else "",
    long_description_content_type="text/markdown",
    author="the lass_plugin authors",
    license="MIT",
    python_requires=">=3.10,<3.13",
    packages=find_packages(include=["lass_plugin", "lass_plugin.*"]),
    package_data={
        "lass_plugin": [
            "py.typed",
            "**/*.yaml",
            "**/*.json",
            "**/*.txt",
            "**/*.html",
            "**/*.css",
        ]
    },
    install_requires=INSTALL_REQUIRES,
    extras_require=EXTRAS_REQUIRE,
    entry_points={"console_scripts": ["lass = lass_plugin.cli.main:main"]},
    zip_safe=False,
)
