"""Jina BERT of the second version, as a model with code of its own: BERT without positions, ALiBi and gated layers.

Written from the papers: "Jina Embeddings 2" (Günther et al. 2023) puts into BERT symmetric attention with linear biases
(ALiBi, Press et al. 2022: a head's score falls by its slope times the distance) and gated linear units (Shazeer 2020).
Copied into the model's folder by transformers, which loads it from there.
"""

import torch
from torch import nn
from torch.nn import functional
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput


class JinaBertConfig(PretrainedConfig):
    """Sizes, by BERT's names."""

    model_type = "twin_jina_bert"

    def __init__(
        self,
        vocab_size: int = 600,
        hidden_size: int = 32,
        num_hidden_layers: int = 2,
        num_attention_heads: int = 4,
        intermediate_size: int = 64,
        max_position_embeddings: int = 128,
        **more: object,
    ) -> None:
        self.vocab_size, self.hidden_size, self.num_hidden_layers = vocab_size, hidden_size, num_hidden_layers
        self.num_attention_heads, self.intermediate_size = num_attention_heads, intermediate_size
        self.max_position_embeddings = max_position_embeddings
        super().__init__(**more)


class Layer(nn.Module):
    """Attention with linear biases, then a gated linear unit; each is normalised after its residual."""

    def __init__(self, config: JinaBertConfig) -> None:
        super().__init__()
        width, inner = config.hidden_size, config.intermediate_size
        self.heads = config.num_attention_heads
        self.joined, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.gated, self.narrow = nn.Linear(width, 2 * inner, bias=False), nn.Linear(inner, width)
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, state: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.joined(state).chunk(3, dim=-1)
        )
        scores = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5 + bias
        mixed = (scores.softmax(dim=-1) @ value).transpose(1, 2).flatten(2)
        state = self.first(state + self.out(mixed))
        wide, gate = self.gated(state).chunk(2, dim=-1)
        return self.second(state + self.narrow(functional.gelu(gate) * wide))


class JinaBertModel(PreTrainedModel):
    """Words and layers; positions are in the attention alone."""

    config_class = JinaBertConfig

    def __init__(self, config: JinaBertConfig) -> None:
        super().__init__(config)
        self.words = nn.Embedding(config.vocab_size, config.hidden_size)
        self.kinds = nn.Embedding(2, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.post_init()

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: object) -> BaseModelOutput:
        state = self.norm(self.words(input_ids) + self.kinds.weight[0])
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        distances = (places[:, None] - places[None, :]).abs()
        heads = self.config.num_attention_heads
        slopes = 2.0 ** (-8.0 / heads * torch.arange(1, heads + 1, device=input_ids.device))
        bias = -slopes[:, None, None] * distances + (1 - attention_mask[:, None, None, :]) * -10_000.0
        for layer in self.layers:
            state = layer(state, bias)
        return BaseModelOutput(last_hidden_state=state)
