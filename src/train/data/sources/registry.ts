/** All sources, in the order in which rows are written: of rows that are the same, the first stays. */
import { CONSULTATION_SOURCES } from './consultation-sources.ts';
import { DIALOGUE_SOURCES } from './dialogue-sources.ts';
import { QUESTION_SOURCES } from './question-sources.ts';
import type { Source } from './source.ts';
import { TEXT_SOURCES } from './text-sources.ts';

export const SOURCES: readonly Source[] = [
  ...QUESTION_SOURCES,
  ...CONSULTATION_SOURCES,
  ...DIALOGUE_SOURCES,
  ...TEXT_SOURCES,
];
