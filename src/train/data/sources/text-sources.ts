/** Sources of running text: papers, classical works, course notes. */
import { basename } from 'node:path';
import { chunkText } from './chunk-text.ts';
import { readPaper } from './paper-text.ts';
import type { Source, TextDraft } from './source.ts';

const chinaxiv: Source = {
  id: 'chinaxiv-med',
  repository: 'DreamBlooms/ChinaXiv-201601-to-202209',
  commit: 'b13a740d2705',
  files: /^md\/ChinaXiv-[^/]+\.md$/u,
  where: 'md/*.md',
  license: 'CC-BY-4.0',
  personal: true,
  async *read(folder) {
    for (const path of folder.paths) {
      const paper = readPaper((await folder.text(path)).text);
      if (paper === null) continue;
      const document = basename(path, '.md').replace('ChinaXiv-', 'chinaxiv-');
      yield* rowsOf(document, 'paper', paper.title, paper.text, 2);
    }
  },
};

function* rowsOf(
  document: string,
  kind: TextDraft['kind'],
  title: string,
  text: string,
  width: number,
): Generator<TextDraft, void, undefined> {
  for (const [index, chunk] of chunkText(text).entries()) {
    const id = `${document}-${String(index).padStart(width, '0')}`;
    yield { part: 'pretrain', id, kind, title, text: chunk, group: document };
  }
}

/** Works on materia medica, formulas, cold damage, gynaecology, paediatrics, external medicine and acupuncture. */
const CLASSICS = '018 087 128 155 204 230 293 299 301 367 421 437 457 499 526 543 570 575 601 602 614'.split(
  ' ',
);

const tcmClassics: Source = {
  id: 'tcm-classics',
  repository: 'xiaopangxia/TCM-Ancient-Books',
  commit: 'db0155dc7c42',
  files: new RegExp(`^(?:${CLASSICS.join('|')})-[^/]*\\.txt$`, 'u'),
  where: `${CLASSICS.join(', ')} (GB18030)`,
  license: 'public domain (text before 1911)',
  async *read(folder) {
    for (const path of folder.paths) {
      const { text } = await folder.text(path);
      const [file = '', number = '', name = ''] = /^(\d+)-(.*)\.txt$/u.exec(basename(path)) ?? [];
      const title = /书名[:：]\s*(\S+)/u.exec(text)?.[1] ?? (name === '' ? file : name);
      for (const row of rowsOf(`tcm-${number}`, 'classic', title, readClassic(text), 4)) {
        yield { ...row, group: row.id, specialty: 'tcm' };
      }
    }
  },
};

/** Tags of the catalogue go, and the hard line breaks of the transcription; sections stay paragraphs. */
function readClassic(text: string): string {
  const sections = text.replaceAll('\r', '').split(/<篇名>|<目录>/u);
  return sections
    .map((section) => {
      const [heading = '', ...lines] = section.split('\n');
      const body = lines
        .filter((line) => !/^(?:书名|作者|朝代|年份)[:：]/u.test(line))
        .map((line) => line.replace(/^属性[:：]/u, '').replaceAll(/<[^>]*>|\\x/gu, ''))
        .map((line) => line.trim())
        .join('');
      return body === '' ? '' : `${heading.trim()}\n${body}`;
    })
    .filter((section) => section !== '')
    .join('\n');
}

/** Folder or file of the notes to the specialty they are about; others say nothing. */
const NOTE_SPECIALTIES: readonly (readonly [RegExp, string])[] = [
  [/^ChineseMed\//u, 'tcm'],
  [/^(?:Dentistry|DermatoVenereology|Ophthalmology|Otorhinolaryngology)\//u, 'derm_sensory_dental'],
  [/^Electrocardiography\//u, 'cardiovascular'],
  [/^Internal\/(?:endocrinology|nephrology|rheumatology)/u, 'endocrine_renal_blood'],
  [/^Internal\/gastroenterology/u, 'digestive'],
  [/^Internal\/respiratory|^ComDisease\//u, 'respiratory_infection'],
  [/^Neuro(?:logy|Surgery)\//u, 'neurology'],
  [/^Obstetrics_Gynecology\//u, 'obgyn'],
  [/^Pediatrics\//u, 'pediatrics'],
  [/^Psychiatry\//u, 'psychiatry'],
  [/^Surgery\//u, 'surgery_ortho_urology'],
];

const clinicalNotes: Source = {
  id: 'clinical-medicine-notes',
  repository: 'heyrict/clinical-medicine-notes',
  commit: '6d1605d9dd21',
  files: /^content\/.*\.md$/u,
  where: 'content/**/*.md',
  license: 'CC-BY-NC-SA-4.0',
  nonCommercial: true,
  async *read(folder) {
    for (const path of folder.paths) {
      const inner = path.replace(/^content\//u, '');
      const text = (await folder.text(path)).text
        .replace(/^---\n.*?\n---\n/su, '')
        .replaceAll(/<!--.*?-->/gsu, '')
        .replaceAll(/!\[[^\]]*\]\([^)]*\)/gu, '');
      const specialty = NOTE_SPECIALTIES.find(([pattern]) => pattern.test(inner))?.[1];
      const document = `notes-${inner.replace(/\.md$/u, '').toLowerCase().replaceAll('/', '-')}`;
      const title = inner.split('/')[0] ?? inner;
      for (const row of rowsOf(document, 'note', title, text, 3)) {
        // Notes of a few words teach nothing.
        if (row.text.length >= 100) yield { ...row, ...(specialty === undefined ? {} : { specialty }) };
      }
    }
  },
};

export const TEXT_SOURCES: readonly Source[] = [chinaxiv, tcmClassics, clinicalNotes];
