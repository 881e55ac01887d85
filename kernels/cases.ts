/** The cases of every kernel, by the name that `kernels` in index.ts gives it. */
import type { kernels } from './index.ts';
import type { KernelCase } from './kernel.ts';
import { cases as fill } from './fill/cases.ts';
import { cases as copy } from './copy/cases.ts';
import { cases as add } from './add/cases.ts';
import { cases as embedding } from './embedding/cases.ts';
import { cases as embeddingBackward } from './embedding_backward/cases.ts';
import { cases as rmsNorm } from './rms_norm/cases.ts';
import { cases as rmsNormBackward } from './rms_norm_backward/cases.ts';
import { cases as rmsNormBackwardWeight } from './rms_norm_backward_weight/cases.ts';
import { cases as matmul } from './matmul/cases.ts';
import { cases as rope } from './rope/cases.ts';
import { cases as kvWrite } from './kv_write/cases.ts';
import { cases as attention } from './attention/cases.ts';
import { cases as attentionTrain } from './attention_train/cases.ts';
import { cases as attentionTrainBackward } from './attention_train_backward/cases.ts';
import { cases as swiglu } from './swiglu/cases.ts';
import { cases as swigluBackward } from './swiglu_backward/cases.ts';
import { cases as expertGate } from './expert_gate/cases.ts';
import { cases as expertGateBackward } from './expert_gate_backward/cases.ts';
import { cases as expertGateBackwardInput } from './expert_gate_backward_input/cases.ts';
import { cases as expertGateBackwardWeight } from './expert_gate_backward_weight/cases.ts';
import { cases as expertShrink } from './expert_shrink/cases.ts';
import { cases as expertShrinkBackward } from './expert_shrink_backward/cases.ts';
import { cases as expertShrinkBackwardWeight } from './expert_shrink_backward_weight/cases.ts';
import { cases as expertExpand } from './expert_expand/cases.ts';
import { cases as expertExpandBackward } from './expert_expand_backward/cases.ts';
import { cases as expertExpandBackwardWeight } from './expert_expand_backward_weight/cases.ts';
import { cases as crossEntropy } from './cross_entropy/cases.ts';
import { cases as sumSquares } from './sum_squares/cases.ts';
import { cases as adamw } from './adamw/cases.ts';

export const kernelCases: Readonly<Record<keyof typeof kernels, readonly KernelCase[]>> = {
  fill,
  copy,
  add,
  embedding,
  embeddingBackward,
  rmsNorm,
  rmsNormBackward,
  rmsNormBackwardWeight,
  matmul,
  rope,
  kvWrite,
  attention,
  attentionTrain,
  attentionTrainBackward,
  swiglu,
  swigluBackward,
  expertGate,
  expertGateBackward,
  expertGateBackwardInput,
  expertGateBackwardWeight,
  expertShrink,
  expertShrinkBackward,
  expertShrinkBackwardWeight,
  expertExpand,
  expertExpandBackward,
  expertExpandBackwardWeight,
  crossEntropy,
  sumSquares,
  adamw,
};
