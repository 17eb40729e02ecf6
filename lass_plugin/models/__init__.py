"""Registered architectures: importing one file registers those of all papers."""

from lass_plugin.models import encoder_architectures as encoder_architectures
from lass_plugin.models import transformer_architectures as transformer_architectures
