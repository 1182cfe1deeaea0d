"""The optimizers that a pre-made Estimator is given by name.

Each takes the steps of the older Keras's optimizer of that name, by TensorFlow's fused operations: of a large
embedding they change the rows of a batch alone. Its variables have the names that tf.estimator gave them,
``training/Adagrad/learning_rate`` and ``training/Adagrad/dnn/logits/kernel/accumulator``: a folder of
checkpoints from there trains on here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import tensorflow as tf

from transferkit.estimator.variables.storage import container_of
from transferkit.type_names import Tensor, Variable

__all__ = ["NAMED", "NamedOptimizer"]

v1 = tf.compat.v1
_EPSILON = 1e-7
_Scalars = Mapping[str, float]
_Base: Any = v1.train.Optimizer


class NamedOptimizer(_Base):  # type: ignore[misc]
    """What the five share: rates and slots as variables under Keras's names.

    Args:
        rate: the learning rate, a variable too: a checkpoint's value counts from there on.

    Attributes:
        keras_name: of the optimizer, part of its variables' names.
        rates: name -> first value, of its scalars beside the learning rate.
        slots: name -> first value, of what it keeps for each weight.
        iterations: the variable that counts its steps; one of its own where a model sets none.
    """

    keras_name: str
    rates: ClassVar[_Scalars] = {}
    slots: ClassVar[_Scalars] = {}

    def __init__(self, rate: float) -> None:
        super().__init__(use_locking=False, name=f"{self.keras_name}/update")
        self._first = {"learning_rate": rate, "decay": 0.0, **self.rates}
        self._scalars: dict[str, Any] = {}
        self._kept: dict[tuple[str, int], Any] = {}
        self._now: dict[str, Any] = {}
        self._scope = ""
        self._graph: Any = None
        self._own_count: Any = None
        self.iterations: Any = None

    def get_updates(self, loss: Tensor, params: Sequence[Variable]) -> list[Any]:
        """The operation of one step, which counts itself.

        Args:
            loss: scalar; gradients are summed over replicas.
            params: what changes.
        """
        # By minimize, TensorFlow would divide the loss by the replicas once more.
        gradients = zip(tf.gradients(loss, list(params)), params, strict=True)
        return [self.apply_gradients(gradients)]

    def apply_gradients(
        self, grads_and_vars: Any, global_step: Variable | None = None, name: str | None = None
    ) -> Any:
        """The operation that takes one step by gradients, and counts it.

        Args:
            grads_and_vars: pairs of gradient and variable.
            global_step: counted too; it is what counts the steps where nothing was set for that.
            name: of the operation.
        """
        with tf.init_scope():
            graph = None if tf.executing_eagerly() else v1.get_default_graph()
        if not self._scope or graph is not self._graph:
            self._begin(graph)
        if self.iterations is None:
            self.iterations = global_step
        if self.iterations is None:
            with tf.init_scope(), tf.name_scope(self._scope):
                self.iterations = self._own_count = self._scalar("iter", 0, tf.int64)
        step = super().apply_gradients(grads_and_vars, self.iterations, name)
        if global_step is None or global_step is self.iterations:
            return step
        with tf.control_dependencies([step]):
            return tf.group(global_step.assign_add(1, read_value=False))

    def _begin(self, graph: Any) -> None:
        """Forgets the variables of another graph: a model is built anew for each call of ``train``."""
        self._graph, self._scalars, self._kept = graph, {}, {}
        if self.iterations is self._own_count:
            self.iterations = None
        with tf.name_scope(self.keras_name) as self._scope:
            # The second optimizer of one name is Adagrad_1.
            pass

    def get_slot(self, var: Variable, name: str) -> Any:
        """What is kept for ``var``, None where nothing is."""
        return self._kept.get((name, id(container_of(var))))

    def get_slot_names(self) -> list[str]:
        """The names of what is kept for each weight."""
        return list(self.slots)

    @staticmethod
    def _scalar(name: str, value: float, dtype: tf.DType = tf.float32) -> Any:
        first = tf.VariableAggregation.ONLY_FIRST_REPLICA
        return tf.Variable(value, name=name, dtype=dtype, trainable=False, aggregation=first)

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        extended = tf.distribute.get_strategy().extended
        with tf.name_scope(self._scope):
            if not self._scalars:
                self._scalars = {name: self._scalar(name, self._first[name]) for name in sorted(self._first)}
            for slot, first in self.slots.items():
                # A second step may change more weights; what is kept for the others goes on.
                for weight in (
                    one for one in map(container_of, var_list) if self.get_slot(one, slot) is None
                ):
                    with extended.colocate_vars_with(weight):
                        self._kept[slot, id(weight)] = tf.Variable(
                            tf.fill(weight.shape, tf.cast(first, weight.dtype)),
                            name=f"{weight.name.split(':')[0]}/{slot}",
                            trainable=False,
                        )

    def _prepare(self) -> None:
        self._now = {name: tf.identity(one) for name, one in self._scalars.items()}

    def _rate(self, name: str, like: Tensor) -> Any:
        """The scalar ``name`` in this step, of the type of ``like``."""
        return tf.cast(self._now[name], like.dtype.base_dtype)


class _Adagrad(NamedOptimizer):
    keras_name = "Adagrad"
    slots: ClassVar[_Scalars] = {"accumulator": 0.1}

    def _resource_apply_dense(self, grad: Tensor, var: Variable) -> Any:
        return tf.raw_ops.ResourceApplyAdagradV2(
            var=var.handle,
            accum=self.get_slot(var, "accumulator").handle,
            lr=self._rate("learning_rate", grad),
            epsilon=tf.constant(_EPSILON, grad.dtype),
            grad=grad,
        )

    def _resource_apply_sparse(self, grad: Tensor, var: Variable, indices: Tensor) -> Any:
        return tf.raw_ops.ResourceSparseApplyAdagradV2(
            var=var.handle,
            accum=self.get_slot(var, "accumulator").handle,
            lr=self._rate("learning_rate", grad),
            epsilon=tf.constant(_EPSILON, grad.dtype),
            grad=grad,
            indices=indices,
        )


class _Adam(NamedOptimizer):
    keras_name = "Adam"
    rates: ClassVar[_Scalars] = {"beta_1": 0.9, "beta_2": 0.999}
    slots: ClassVar[_Scalars] = {"m": 0.0, "v": 0.0}

    def _prepare(self) -> None:
        super()._prepare()
        step = tf.cast(self.iterations + 1, tf.float32)
        for name in self.rates:
            self._now[f"{name}_power"] = self._now[name] ** step

    def _resource_apply_dense(self, grad: Tensor, var: Variable) -> Any:
        return tf.raw_ops.ResourceApplyAdam(
            var=var.handle,
            m=self.get_slot(var, "m").handle,
            v=self.get_slot(var, "v").handle,
            beta1_power=self._rate("beta_1_power", grad),
            beta2_power=self._rate("beta_2_power", grad),
            lr=self._rate("learning_rate", grad),
            beta1=self._rate("beta_1", grad),
            beta2=self._rate("beta_2", grad),
            epsilon=tf.constant(_EPSILON, grad.dtype),
            grad=grad,
        )

    def _resource_apply_sparse(self, grad: Tensor, var: Variable, indices: Tensor) -> Any:
        first, second = self._rate("beta_1", grad), self._rate("beta_2", grad)
        mean = _decayed(self.get_slot(var, "m"), first, (1 - first) * grad, indices)
        square = _decayed(self.get_slot(var, "v"), second, (1 - second) * grad**2, indices)
        unbiased = tf.sqrt(1 - self._rate("beta_2_power", grad)) / (1 - self._rate("beta_1_power", grad))
        rate = self._rate("learning_rate", grad) * unbiased
        return var.assign_sub(rate * mean / (tf.sqrt(square) + _EPSILON), read_value=False)


class _Ftrl(NamedOptimizer):
    keras_name = "Ftrl"
    rates: ClassVar[_Scalars] = {
        "beta": 0.0,
        "l1_regularization_strength": 0.0,
        "l2_regularization_strength": 0.0,
        "learning_rate_power": -0.5,
    }
    slots: ClassVar[_Scalars] = {"accumulator": 0.1, "linear": 0.0}

    def _arguments(self, grad: Tensor, var: Variable) -> dict[str, Any]:
        rate, beta = self._rate("learning_rate", grad), self._rate("beta", grad)
        return {
            "var": var.handle,
            "accum": self.get_slot(var, "accumulator").handle,
            "linear": self.get_slot(var, "linear").handle,
            "grad": grad,
            "lr": rate,
            "l1": self._rate("l1_regularization_strength", grad),
            "l2": self._rate("l2_regularization_strength", grad) + beta / (2 * rate),
            "lr_power": self._rate("learning_rate_power", grad),
        }

    def _resource_apply_dense(self, grad: Tensor, var: Variable) -> Any:
        return tf.raw_ops.ResourceApplyFtrl(**self._arguments(grad, var))

    def _resource_apply_sparse(self, grad: Tensor, var: Variable, indices: Tensor) -> Any:
        return tf.raw_ops.ResourceSparseApplyFtrl(**self._arguments(grad, var), indices=indices)


class _RMSProp(NamedOptimizer):
    keras_name = "RMSprop"
    rates: ClassVar[_Scalars] = {"momentum": 0.0, "rho": 0.9}
    slots: ClassVar[_Scalars] = {"rms": 0.0}

    def _resource_apply_dense(self, grad: Tensor, var: Variable) -> Any:
        average, decay = self.get_slot(var, "rms"), self._rate("rho", grad)
        now = _assigned(average, decay * average + (1 - decay) * grad**2)
        step = self._rate("learning_rate", grad) * grad / (tf.sqrt(now) + _EPSILON)
        return var.assign_sub(step, read_value=False)

    def _resource_apply_sparse(self, grad: Tensor, var: Variable, indices: Tensor) -> Any:
        decay = self._rate("rho", grad)
        now = _decayed(self.get_slot(var, "rms"), decay, (1 - decay) * grad**2, indices)
        step = self._rate("learning_rate", grad) * grad / (tf.sqrt(tf.gather(now, indices)) + _EPSILON)
        return var.scatter_sub(tf.IndexedSlices(step, indices)).op


class _SGD(NamedOptimizer):
    keras_name = "SGD"
    rates: ClassVar[_Scalars] = {"momentum": 0.0}

    def _resource_apply_dense(self, grad: Tensor, var: Variable) -> Any:
        rate = self._rate("learning_rate", grad)
        return tf.raw_ops.ResourceApplyGradientDescent(var=var.handle, alpha=rate, delta=grad)

    def _resource_apply_sparse_duplicate_indices(self, grad: Tensor, var: Variable, indices: Tensor) -> Any:
        step = -self._rate("learning_rate", grad) * grad
        return tf.raw_ops.ResourceScatterAdd(resource=var.handle, indices=indices, updates=step)


def _assigned(slot: Variable, value: Tensor) -> Any:
    """``value``, once ``slot`` has it."""
    with tf.control_dependencies([slot.assign(value, read_value=False)]):
        return tf.identity(value)


def _decayed(slot: Variable, decay: Tensor, added: Tensor, indices: Tensor) -> Any:
    """The whole slot, decayed, with ``added`` in the rows ``indices``, once it is so.

    Keras lets the averages of all rows decay, also of those that a batch does not name.
    """
    return _assigned(slot, tf.tensor_scatter_nd_add(decay * slot, indices[:, None], added))


# Name -> optimizer.
NAMED: dict[str, type[NamedOptimizer]] = {
    "Adagrad": _Adagrad,
    "Adam": _Adam,
    "Ftrl": _Ftrl,
    "RMSProp": _RMSProp,
    "SGD": _SGD,
}
