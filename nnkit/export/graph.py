"""Nodes of an ONNX graph, added through skl2onnx."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, compose, helper, numpy_helper

__all__ = ["BOOL", "DOUBLE", "FLOAT", "INT64", "STRING", "Graph", "with_embedded_models"]

# Domain of the nodes that stand for other models.
_DOMAIN = "nnkit"

BOOL, DOUBLE, FLOAT, INT64, STRING = (
    TensorProto.BOOL,
    TensorProto.DOUBLE,
    TensorProto.FLOAT,
    TensorProto.INT64,
    TensorProto.STRING,
)


class Graph:
    """The graph that a converter of skl2onnx extends.

    Parameters
    ----------
    scope : skl2onnx.common._topology.Scope
        Source of unique names.
    container : skl2onnx.common._container.ModelComponentContainer
        The nodes and constants.
    """

    def __init__(self, scope: Any, container: Any) -> None:
        self._scope, self._container = scope, container

    @property
    def opset(self) -> int:
        """Version of ONNX' operators."""
        return int(self._container.target_opset_onnx)

    def add(self, op_type: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node, and return the name of its output.

        Parameters
        ----------
        op_type : str
            Name of the operator.
        *inputs : str
            Names of its inputs.
        domain : str, default=""
            Domain of the operator: "" for ONNX, "ai.onnx.ml" for its machine learning operators.
        **attributes : object
            Attributes of the operator.
        """
        return self.add_several(op_type, 1, *inputs, domain=domain, **attributes)[0]

    def add_several(
        self, op_type: str, n_outputs: int, *inputs: str, domain: str = "", **attributes: Any
    ) -> list[str]:
        """Add a node with several outputs, and return their names; see `add`."""
        outputs = [self._name(op_type.lower()) for _ in range(n_outputs)]
        # skl2onnx takes the version of an operator that belongs to the opset.
        version = self._container.target_opset_any_domain(domain)
        self._container.add_node(
            op_type,
            list(inputs),
            outputs,
            op_domain=domain,
            op_version=version,
            name=self._scope.get_unique_operator_name(op_type),
            **attributes,
        )
        return outputs

    def constant(self, values: Any, dtype: Any = None) -> str:
        """Add a constant, and return its name."""
        array = np.asarray(values, dtype=dtype)
        name = self._name("constant")
        if array.dtype.kind == "U":
            array = array.astype(object)
        self._container.initializers.append(numpy_helper.from_array(array, name))
        return name

    def cast(self, tensor: str, to: int) -> str:
        """Add a conversion of the values to another type."""
        return self.add("Cast", tensor, to=to)

    def reshaped(self, tensor: str, shape: Sequence[int]) -> str:
        """Add a change of the shape, -1 for the axis of the rows."""
        return self.add("Reshape", tensor, self.constant(shape, np.int64))

    def concatenated(self, tensors: Sequence[str]) -> str:
        """Add a concatenation along the columns; a single tensor is returned."""
        return tensors[0] if len(tensors) == 1 else self.add("Concat", *tensors, axis=1)

    def set_output(self, variable: Any, tensor: str) -> None:
        """Let a tensor be an output of the converter.

        Parameters
        ----------
        variable : skl2onnx.common._topology.Variable
            The declared output.
        tensor : str
            Name of the tensor.
        """
        self._container.add_node(
            "Identity",
            [tensor],
            [variable.full_name],
            name=self._scope.get_unique_operator_name("Identity"),
        )

    def embed(self, model: ModelProto, inputs: Sequence[str]) -> list[str]:
        """Add a node that stands for another ONNX model, and return the names of its outputs.

        skl2onnx sorts nodes, and does not know nested graphs and left-out inputs, which recurrent
        layers have. `with_embedded_models` replaces the node after the conversion.

        Parameters
        ----------
        model : onnx.ModelProto
        inputs : sequence of str
            The tensors of this graph for the inputs of the model.
        """
        outputs = [self._name("network") for _ in model.graph.output]
        self._container.add_node(
            "EmbeddedModel",
            list(inputs),
            outputs,
            op_domain=_DOMAIN,
            op_version=1,
            name=self._scope.get_unique_operator_name("EmbeddedModel"),
            model=model.SerializeToString(),
        )
        return outputs

    def _name(self, seed: str) -> str:
        name: str = self._scope.get_unique_variable_name(f"nnkit_{seed}")
        return name


def with_embedded_models(model: ModelProto) -> ModelProto:
    """Return a model in which the nodes of `Graph.embed` are replaced by the nodes of their models.

    Parameters
    ----------
    model : onnx.ModelProto
        Not changed.
    """
    whole = ModelProto()
    whole.CopyFrom(model)
    versions = {opset.domain: opset.version for opset in model.opset_import}
    del whole.graph.node[:]
    for position, node in enumerate(model.graph.node):
        if node.domain != _DOMAIN:
            whole.graph.node.append(node)
            continue
        embedded = ModelProto.FromString(node.attribute[0].s)
        # Names of all tensors, also of nested graphs, begin with the prefix.
        embedded = compose.add_prefix(embedded, f"nnkit_{position}/")
        inner = [entry.name for entry in embedded.graph.input]
        results = [entry.name for entry in embedded.graph.output]
        for source, target in zip(node.input, inner, strict=True):
            whole.graph.node.append(helper.make_node("Identity", [source], [target]))
        whole.graph.node.extend(embedded.graph.node)
        whole.graph.initializer.extend(embedded.graph.initializer)
        for source, target in zip(results, node.output, strict=True):
            whole.graph.node.append(helper.make_node("Identity", [source], [target]))
        for opset in embedded.opset_import:
            versions[opset.domain] = max(opset.version, versions.get(opset.domain, 0))
    versions.pop(_DOMAIN, None)
    del whole.opset_import[:]
    whole.opset_import.extend(helper.make_opsetid(*entry) for entry in versions.items())
    return whole
