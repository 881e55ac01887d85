/**
 * Questions of CSV files: CMExam as williamliujl/CMExam publishes it (Question, Options, Answer, Explanation and, in the
 * annotated test file, Clinical Department, Medical Discipline, …), and CMMLU as haonan-li/CMMLU does (a file a subject,
 * columns A to D).
 */
import { readCsvRecords } from '../../base/csv-records.ts';
import { specialtyOfDepartment } from '../../base/departments.ts';
import { splitOptionLines, type QuestionSink } from './exam-question.ts';

export const CMMLU_CORE = [
  'anatomy',
  'clinical_knowledge',
  'college_medicine',
  'genetics',
  'nutrition',
  'traditional_chinese_medicine',
  'virology',
] as const;
export const CMMLU_EXTENDED = ['professional_medicine', 'college_medical_statistics'] as const;

const CORE_SUBJECTS = new Set<string>(CMMLU_CORE);

export function readCmexamCsv(text: string, source: string, sink: QuestionSink): void {
  const records = readCsvRecords(text, { onBadRecord: (line, reason) => sink.reject(line, reason) });
  for (const [index, { line, fields }] of records.entries()) {
    const discipline = fields['Medical Discipline'];
    sink.add({
      line,
      id: `${source}-${String(index).padStart(4, '0')}`,
      source,
      question: fields['Question'],
      options: fields['Options'] === undefined ? undefined : splitOptionLines(fields['Options']),
      answer: fields['Answer'],
      kind: undefined,
      // The department where it names a specialty; the discipline tells Chinese medicine apart.
      specialty: specialtyOfDepartment(fields['Clinical Department'] ?? ''),
      subject: discipline === '' ? undefined : discipline,
    });
  }
}

export function readCmmluCsv(text: string, part: string, subject: string, sink: QuestionSink): void {
  const records = readCsvRecords(text, { onBadRecord: (line, reason) => sink.reject(line, reason) });
  for (const [index, { line, fields }] of records.entries()) {
    const options = Object.fromEntries(
      ['A', 'B', 'C', 'D'].flatMap((letter) => {
        const option = fields[letter];
        return option === undefined ? [] : [[letter, option]];
      }),
    );
    sink.add({
      line,
      id: `cmmlu-${part}-${subject}-${(fields[''] || String(index)).padStart(3, '0')}`,
      source: `cmmlu-${part}`,
      question: fields['Question'],
      options,
      answer: fields['Answer'],
      kind: 'single',
      specialty: subject === 'traditional_chinese_medicine' ? 'tcm' : null,
      subject,
      subset: CORE_SUBJECTS.has(subject) ? 'core7' : 'extended',
    });
  }
}
