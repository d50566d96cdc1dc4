"""Tiny random decoders of many families, built from their configurations without a download."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

_COMMON = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "head_dim": 8,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128}
# A sliding window shorter than the texts of the tests.
_SLIDING = {"sliding_window": 12}
FAMILIES: dict[str, dict[str, Any]] = {
    "gpt2": _GPT2,
    "llama": {},
    "mistral": _SLIDING,
    "qwen2": {**_SLIDING, "use_sliding_window": True, "max_window_layers": 1},
    "qwen3": {},
    "gemma2": {**_SLIDING, "query_pre_attn_scalar": 8, "attn_logit_softcapping": 2.0},
    "gemma3_text": {**_SLIDING, "query_pre_attn_scalar": 8, "layer_types": ["sliding_attention", "full_attention"]},
    "phi3": {},
    "gpt_neox": {},
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32},
    "olmo2": {},
    "granite": {},
    "gpt_oss": {**_SLIDING, "num_local_experts": 2, "num_experts_per_tok": 1},
    # Not tried while the attention was written.
    "starcoder2": {},
    "cohere": {},
    "glm": {},
    "smollm3": {},
}
# Families whose attention does not go through transformers' interface.
UNDISPATCHED: dict[str, dict[str, Any]] = {"bloom": {"n_layer": 2, "n_head": 4}, "gptj": {**_GPT2, "rotary_dim": 4}}


def tiny_decoder(
    family: str,
    dtype: torch.dtype = torch.float32,
    attention: str = "eager",
    vocabulary: int = 97,
    **changes: Any,
) -> PreTrainedModel:
    """A random decoder in evaluation mode; weights are large enough that rows are far from uniform."""
    torch.manual_seed(0)
    chosen = FAMILIES.get(family) or UNDISPATCHED.get(family) or {}
    config = AutoConfig.for_model(family, **{**_COMMON, "vocab_size": vocabulary, **chosen, **changes})
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config, attn_implementation=attention)
    if dtype == torch.float64 and hasattr(config, "num_local_experts"):
        # torch's grouped products of experts lack float64.
        model.set_experts_implementation("eager")
    for name, weights in model.named_parameters():
        if weights.dim() > 1 or "sinks" in name:
            weights.data = torch.randn_like(weights) * (1.0 if "sinks" in name else weights.shape[-1] ** -0.5 * 1.5)
    return model.to(dtype).eval()
