"""Writes the random Llama of these records into `llama-init`, with the tokenizer of the run `base`."""

import shutil

import torch
from transformers import LlamaConfig, LlamaForCausalLM

torch.manual_seed(0)
config = LlamaConfig(
    vocab_size=4096,
    hidden_size=128,
    intermediate_size=384,
    num_hidden_layers=4,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=128,
    bos_token_id=0,
    eos_token_id=0,
    tie_word_embeddings=True,
)
LlamaForCausalLM(config).save_pretrained("llama-init")
shutil.copy("base/tokenizer.json", "llama-init")
