# case: softmax_rows
# fails: contract
# says: it calls 'softmax'
import torch

graph = torch._C.parse_ir(
    "graph(%x : Tensor, %d : int, %n : NoneType):\n  %y : Tensor = aten::softmax(%x, %d, %n)\n  return (%y)"
)
function = torch._C._create_function_from_graph("f", graph)


def softmax_rows(x):
    return function(x, -1, None)
