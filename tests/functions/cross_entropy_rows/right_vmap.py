import torch


def one_row(row, index):
    shifted = row - row.amax()
    return shifted.exp().sum().log() - shifted.gather(0, index[None])[0]


def cross_entropy_rows(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return torch.vmap(one_row)(logits.float(), target).to(logits.dtype)
