/** Holds a request against the model's limits before anything is enqueued. */
import { CallerError } from '../base/errors.ts';
import type { GenerateRequest } from './request.ts';

export function checkRequest(
  request: Pick<GenerateRequest, 'prompt' | 'maxTokens'>,
  model: { readonly vocabularySize: number; readonly maxLength: number },
): void {
  const { prompt, maxTokens } = request;
  if (prompt.length === 0) {
    throw new CallerError('invalid_request', 'The prompt has no tokens.', { param: 'prompt' });
  }
  const room = maxTokens > 0 ? model.maxLength - 1 : model.maxLength;
  if (prompt.length > room) {
    throw new CallerError(
      'context_length_exceeded',
      `The prompt has ${prompt.length} tokens; this model takes at most ${room}. Shorten the conversation.`,
      { param: 'prompt' },
    );
  }
  for (const token of prompt) {
    if (token >= model.vocabularySize) {
      throw new CallerError(
        'invalid_request',
        `The prompt has token ${token}; the vocabulary ends at ${model.vocabularySize - 1}.`,
        { param: 'prompt' },
      );
    }
  }
}
