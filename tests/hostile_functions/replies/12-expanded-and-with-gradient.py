# case: twice
# passes
def twice(x):
    wide = x.requires_grad_(False).double().requires_grad_() * 2
    return wide.to(x.dtype).unsqueeze(-1).expand(-1, 3)[:, 1]
