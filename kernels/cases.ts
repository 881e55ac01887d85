/** The cases of every kernel. */
import type { KernelCase, KernelSpec } from './kernel.ts';
import { cases as fill } from './fill/cases.ts';
import { cases as copy } from './copy/cases.ts';
import { cases as add } from './add/cases.ts';
import { cases as embedding } from './embedding/cases.ts';
import { cases as embeddingBackward } from './embedding_backward/cases.ts';
import { cases as rmsNorm } from './rms_norm/cases.ts';
import { cases as rmsNormBackward } from './rms_norm_backward/cases.ts';
import { cases as rmsNormBackwardWeight } from './rms_norm_backward_weight/cases.ts';
import { cases as matmul } from './matmul/cases.ts';
import { cases as normLinear } from './norm_linear/cases.ts';
import { cases as rope } from './rope/cases.ts';
import { cases as qkPrepare } from './qk_prepare/cases.ts';
import { cases as attention } from './attention/cases.ts';
import { cases as attentionCombine } from './attention_combine/cases.ts';
import { cases as attentionTrain } from './attention_train/cases.ts';
import { cases as attentionTrainBackward } from './attention_train_backward/cases.ts';
import { cases as swiglu } from './swiglu/cases.ts';
import { cases as swigluBackward } from './swiglu_backward/cases.ts';
import { cases as expertGate } from './expert_gate/cases.ts';
import { cases as normGate } from './norm_gate/cases.ts';
import { cases as expertGateBackward } from './expert_gate_backward/cases.ts';
import { cases as expertGateBackwardInput } from './expert_gate_backward_input/cases.ts';
import { cases as expertGateBackwardWeight } from './expert_gate_backward_weight/cases.ts';
import { cases as expertShrink } from './expert_shrink/cases.ts';
import { cases as expertShrinkBackward } from './expert_shrink_backward/cases.ts';
import { cases as expertShrinkBackwardWeight } from './expert_shrink_backward_weight/cases.ts';
import { cases as expertExpand } from './expert_expand/cases.ts';
import { cases as expertExpandBackward } from './expert_expand_backward/cases.ts';
import { cases as expertExpandBackwardWeight } from './expert_expand_backward_weight/cases.ts';
import { cases as linearExperts } from './linear_experts/cases.ts';
import { cases as swigluExperts } from './swiglu_experts/cases.ts';
import { cases as crossEntropy } from './cross_entropy/cases.ts';
import { cases as sumSquares } from './sum_squares/cases.ts';
import { cases as adamw } from './adamw/cases.ts';
import { cases as contrast } from './contrast/cases.ts';
import { cases as queuePush } from './queue_push/cases.ts';
import { cases as gather } from './gather/cases.ts';
import { cases as gateLoad } from './gate_load/cases.ts';
import { cases as gateBalanceBackward } from './gate_balance_backward/cases.ts';
import { cases as jitter } from './jitter/cases.ts';
import { cases as sample } from './sample/cases.ts';

const casesByName: Readonly<Record<string, readonly KernelCase[]>> = {
  fill,
  copy,
  add,
  embedding,
  embedding_backward: embeddingBackward,
  rms_norm: rmsNorm,
  rms_norm_backward: rmsNormBackward,
  rms_norm_backward_weight: rmsNormBackwardWeight,
  matmul,
  norm_linear: normLinear,
  rope,
  qk_prepare: qkPrepare,
  attention,
  attention_combine: attentionCombine,
  attention_train: attentionTrain,
  attention_train_backward: attentionTrainBackward,
  swiglu,
  swiglu_backward: swigluBackward,
  expert_gate: expertGate,
  norm_gate: normGate,
  expert_gate_backward: expertGateBackward,
  expert_gate_backward_input: expertGateBackwardInput,
  expert_gate_backward_weight: expertGateBackwardWeight,
  expert_shrink: expertShrink,
  expert_shrink_backward: expertShrinkBackward,
  expert_shrink_backward_weight: expertShrinkBackwardWeight,
  expert_expand: expertExpand,
  expert_expand_backward: expertExpandBackward,
  expert_expand_backward_weight: expertExpandBackwardWeight,
  linear_experts: linearExperts,
  swiglu_experts: swigluExperts,
  cross_entropy: crossEntropy,
  sum_squares: sumSquares,
  adamw,
  contrast,
  queue_push: queuePush,
  gather,
  gate_load: gateLoad,
  gate_balance_backward: gateBalanceBackward,
  jitter,
  sample,
};

/** None for a kernel that this list forgot, which no check may let pass. */
export function casesOf(spec: KernelSpec): readonly KernelCase[] {
  return casesByName[spec.name] ?? [];
}
