/** Name of the browser's cache in which the model lies; alone, so that the page can empty it without the engine's code. */
export const cacheName = 'sparsedoctor-model';
