"""Nodes of an ONNX graph, added through skl2onnx."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, numpy_helper

__all__ = ["DOUBLE", "FLOAT", "INT64", "STRING", "Graph"]

DOUBLE, FLOAT, INT64, STRING = (
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
        output = self._name(op_type.lower())
        # skl2onnx takes the version of an operator that belongs to the opset.
        version = self._container.target_opset_any_domain(domain)
        self._container.add_node(
            op_type,
            list(inputs),
            [output],
            op_domain=domain,
            op_version=version,
            name=self._scope.get_unique_operator_name(op_type),
            **attributes,
        )
        return output

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

    def embed(self, model: ModelProto, inputs: Mapping[str, str]) -> list[str]:
        """Add the nodes of another ONNX model, and return the names of its outputs.

        Parameters
        ----------
        model : onnx.ModelProto
            Model without nested graphs.
        inputs : mapping of str to str
            The tensor of this graph for each input of the model.
        """
        names = {"": "", **inputs}

        def own(name: str) -> str:
            if name not in names:
                names[name] = self._name("network")
            return names[name]

        for initializer in model.graph.initializer:
            constant = TensorProto()
            constant.CopyFrom(initializer)
            constant.name = own(initializer.name)
            self._container.initializers.append(constant)
        for node in model.graph.node:
            copied = type(node)()
            copied.CopyFrom(node)
            copied.name = self._scope.get_unique_operator_name(node.op_type)
            for position, name in enumerate(node.input):
                copied.input[position] = own(name)
            for position, name in enumerate(node.output):
                copied.output[position] = own(name)
            self._container.nodes.append(copied)
        for opset in model.opset_import:
            self._container.node_domain_version_pair_sets.add((opset.domain, opset.version))
        return [own(output.name) for output in model.graph.output]

    def _name(self, seed: str) -> str:
        name: str = self._scope.get_unique_variable_name(f"nnkit_{seed}")
        return name
