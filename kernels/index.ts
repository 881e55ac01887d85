/** Every kernel by name. */
import type { KernelSpec } from './kernel.ts';
import { fill } from './fill/fill.ts';
import { copy } from './copy/copy.ts';
import { add } from './add/add.ts';
import { embedding } from './embedding/embedding.ts';
import { embeddingBackward } from './embedding_backward/embedding_backward.ts';
import { rmsNorm } from './rms_norm/rms_norm.ts';
import { rmsNormBackward } from './rms_norm_backward/rms_norm_backward.ts';
import { rmsNormBackwardWeight } from './rms_norm_backward_weight/rms_norm_backward_weight.ts';
import { matmul } from './matmul/matmul.ts';
import { normLinear } from './norm_linear/norm_linear.ts';
import { rope } from './rope/rope.ts';
import { qkPrepare } from './qk_prepare/qk_prepare.ts';
import { attention } from './attention/attention.ts';
import { attentionCombine } from './attention_combine/attention_combine.ts';
import { attentionTrain } from './attention_train/attention_train.ts';
import { attentionTrainBackward } from './attention_train_backward/attention_train_backward.ts';
import { swiglu } from './swiglu/swiglu.ts';
import { swigluBackward } from './swiglu_backward/swiglu_backward.ts';
import { expertGate } from './expert_gate/expert_gate.ts';
import { normGate } from './norm_gate/norm_gate.ts';
import { expertGateBackward } from './expert_gate_backward/expert_gate_backward.ts';
import { expertGateBackwardInput } from './expert_gate_backward_input/expert_gate_backward_input.ts';
import { expertGateBackwardWeight } from './expert_gate_backward_weight/expert_gate_backward_weight.ts';
import { expertShrink } from './expert_shrink/expert_shrink.ts';
import { expertShrinkBackward } from './expert_shrink_backward/expert_shrink_backward.ts';
import { expertShrinkBackwardWeight } from './expert_shrink_backward_weight/expert_shrink_backward_weight.ts';
import { expertExpand } from './expert_expand/expert_expand.ts';
import { expertExpandBackward } from './expert_expand_backward/expert_expand_backward.ts';
import { expertExpandBackwardWeight } from './expert_expand_backward_weight/expert_expand_backward_weight.ts';
import { linearExperts } from './linear_experts/linear_experts.ts';
import { swigluExperts } from './swiglu_experts/swiglu_experts.ts';
import { crossEntropy } from './cross_entropy/cross_entropy.ts';
import { sumSquares } from './sum_squares/sum_squares.ts';
import { adamw } from './adamw/adamw.ts';
import { contrast } from './contrast/contrast.ts';
import { queuePush } from './queue_push/queue_push.ts';
import { gather } from './gather/gather.ts';
import { gateLoad } from './gate_load/gate_load.ts';
import { gateBalanceBackward } from './gate_balance_backward/gate_balance_backward.ts';
import { jitter } from './jitter/jitter.ts';
import { sample } from './sample/sample.ts';

export const kernels = {
  fill,
  copy,
  add,
  embedding,
  embeddingBackward,
  rmsNorm,
  rmsNormBackward,
  rmsNormBackwardWeight,
  matmul,
  normLinear,
  rope,
  qkPrepare,
  attention,
  attentionCombine,
  attentionTrain,
  attentionTrainBackward,
  swiglu,
  swigluBackward,
  expertGate,
  normGate,
  expertGateBackward,
  expertGateBackwardInput,
  expertGateBackwardWeight,
  expertShrink,
  expertShrinkBackward,
  expertShrinkBackwardWeight,
  expertExpand,
  expertExpandBackward,
  expertExpandBackwardWeight,
  linearExperts,
  swigluExperts,
  crossEntropy,
  sumSquares,
  adamw,
  contrast,
  queuePush,
  gather,
  gateLoad,
  gateBalanceBackward,
  jitter,
  sample,
} satisfies Record<string, KernelSpec>;
