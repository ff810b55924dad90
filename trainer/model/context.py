"""Label context: known labels as tokens of the encoder's input, and the query slot that has seen them.

The label-mask input of LM-MTC (Song et al., arXiv:2106.10076) with the whole label table as the vocabulary of its mask:
each revealed label is a token that shows its state, and one MASK slot without a label asks for all others.
"""

import torch
from torch import Tensor, nn

from ..data import State
from .slots import Slots


class LabelContext(nn.Module):
    """Embeds revealed labels and one query slot, and turns the slot's final state into a part of the scan's query.

    A label token's input is a projection of the label's row from the query's space (E) into the encoder's input space
    (I), plus the embedding of its state. There is no second table of labels: what the encoder reads of a label moves
    with its row. The read-out starts at zero, so that training begins with the query of the text alone.
    """

    def __init__(self, width: int, label_width: int, embedding_width: int) -> None:
        super().__init__()
        self.project = nn.Linear(label_width, embedding_width)
        self.states = nn.Embedding(len(State), embedding_width)
        self.transform = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
        self.output = nn.Linear(width, label_width)
        nn.init.normal_(self.states.weight, std=0.02)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def embed(self, revealed: Slots) -> tuple[Tensor, Tensor]:
        """Return label tokens and behind them the query slot: inputs [B, V + 1, I], and which are real [B, V + 1]."""
        labels_BVI = self.project(revealed.vectors_BCE) + self.states(revealed.states_BC)
        mask_B1 = torch.full_like(revealed.states_BC[:, :1], State.MASK)  # by the module: ZeRO-3 has weights in parts
        inputs_BCI = torch.cat([labels_BVI, self.states(mask_B1).to(labels_BVI)], dim=1)
        return inputs_BCI, torch.cat([revealed.mask_BC, torch.ones_like(mask_B1, dtype=torch.bool)], dim=1)

    def read_out(self, hidden_BD: Tensor, revealed: Slots) -> Tensor:
        """Return what the query slot adds to the query [B, E]: nothing, where a record reveals nothing."""
        return self.output(self.transform(hidden_BD)) * revealed.mask_BC.any(dim=1, keepdim=True)

    @torch.no_grad()
    def start(self, rows_NE: Tensor, inputs_NI: Tensor, mask_I: Tensor, ridge: float = 1e-2) -> None:
        """Initialise the projection so that labels look to the encoder like the words of their texts.

        The projection is the ridge regression from rows to the mean word embeddings of their texts; the query slot
        looks like the tokenizer's mask token.

        Args:
            rows_NE: Rows of labels.
            inputs_NI: Mean word embeddings of their texts.
            mask_I: Word embedding of the mask token.
            ridge: Strength of the regularisation.
        """
        design = torch.cat([rows_NE, rows_NE.new_ones(len(rows_NE), 1)], dim=1).double()
        normal = design.T @ design + ridge * torch.eye(design.shape[1], dtype=design.dtype, device=design.device)
        solved = torch.linalg.solve(normal, design.T @ inputs_NI.to(design))
        self.project.weight.copy_(solved[:-1].T)
        self.project.bias.copy_(solved[-1])
        self.states.weight[State.MASK] += mask_I.to(self.states.weight)
