import { strToU8, zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { readSource } from './source-files.ts';

const user = (content: string): object => ({ role: 'user', content });
const assistant = (content: string): object => ({ role: 'assistant', content });

function remediTurn(context: string, ask: string, answer: string): string {
  return `<|endoftext|> <|context|>${context}<|endofcontext|> <|currentuser|> ${ask} <|endofcurrentuser|> <|intent|> x <|endofintent|> <|response|> ${answer} <|endofresponse|> <|endoftext|>`;
}

describe('sources of single answers', () => {
  it('reads the GB18030 file of Toyhom, with its departments', async () => {
    // department,title,ask,answer / 心血管科,胸闷,None,休息 / 内科,头痛,三天,多喝水
    const body = [
      'd0c4d1aab9dcbfc62cd0d8c3c62c4e6f6e652cd0ddcfa2',
      'c4dabfc62ccdb7cdb42cc8fdccec2cb6e0bac8cbae',
    ];
    const csv = Buffer.concat([
      Buffer.from('department,title,ask,answer\r\n'),
      ...body.flatMap((line) => [Buffer.from(line, 'hex'), Buffer.from('\r\n')]),
    ]);
    const { drafts } = await readSource('toyhom-internal-medicine', { '样例_内科5000-6000.csv': csv });
    expect(drafts).toEqual([
      {
        part: 'sft',
        id: 'toyhom-s00000',
        messages: [user('胸闷'), assistant('休息')],
        department: '心血管科',
        specialty: 'cardiovascular',
      },
      {
        part: 'sft',
        id: 'toyhom-s00001',
        messages: [user('头痛\n三天'), assistant('多喝水')],
        department: '内科',
      },
    ]);
  });

  it('reads huatuo26M, whose texts are lists', async () => {
    const rows = [{ id: '', instruction: ['问'], input: '', output: ['答'] }];
    const { drafts } = await readSource('huatuo26m-test', {
      'data/huatuo26M_test.json': JSON.stringify(rows, null, 2),
    });
    expect(drafts).toEqual([{ part: 'sft', id: 'huatuo26m-0000', messages: [user('问'), assistant('答')] }]);
  });

  it.each([
    ['huatuo-llama-kg', 'data/llama_data.json', '{"instruction":"问","input":"","output":"答"}\n'],
    ['cmedqa2-test', 'data/cMedQA2/test.json', '[{"instruction":"请回答","input":"问","output":"答"}]'],
  ])('reads the instructions of %s', async (id, path, text) => {
    const { drafts } = await readSource(id, { [path]: text });
    expect(drafts).toMatchObject([{ part: 'sft', messages: [user('问'), assistant('答')] }]);
  });

  it('reads the right pairs of cMedQA', async () => {
    const { drafts } = await readSource('cmedqa1', {
      'data/cMedQA/dev.txt': '0\t问\t错\n1\t问\t对\n1\t缺\n',
    });
    expect(drafts).toMatchObject([{ id: 'cmedqa1-dev-0001', messages: [user('问'), assistant('对')] }]);
  });

  it('reads the queries of cMedQQ once each, leaving broken lines', async () => {
    const { drafts } = await readSource('cmedqq', {
      'data/cMedQQ/train.txt': '1\t甲\t乙\n0\t甲\t丙\n没有标记\t"丁\n',
    });
    expect(drafts.map((draft) => (draft.part === 'router' ? draft.text : null))).toEqual(['甲', '乙', '丙']);
  });

  it('reads the open questions of the CPsyExam archive', async () => {
    const zip = zipSync({
      'qa.json': strToU8('[{"subject_name":"自考心理学","question":"问","answer":"答"}]'),
    });
    const { drafts } = await readSource('cpsyexam-qa', {
      'evaluations/llmeval/cpsyexam/cpsyexam_qa.zip': zip,
    });
    expect(drafts).toMatchObject([{ id: 'cpsyqa-0000', department: '自考心理学', specialty: 'psychiatry' }]);
  });
});

describe('sources of dialogues', () => {
  it('reads CMtMedQA with history and department, and the rows of its safety test', async () => {
    const rows = [
      {
        id: 'j1',
        cate1: '内科',
        cate2: '消化内科',
        instruction: '问二',
        input: '',
        output: '答二',
        history: [['问一', '答一']],
      },
      { instruct: '问', output: '答' },
    ];
    const { drafts } = await readSource('cmtmedqa-test', { 'data/CMtMedQA_test.json': JSON.stringify(rows) });
    expect(drafts).toEqual([
      {
        part: 'sft',
        id: 'cmtmedqa-j1',
        messages: [user('问一'), assistant('答一'), user('问二'), assistant('答二')],
        department: '内科/消化内科',
        specialty: 'digestive',
      },
      { part: 'sft', id: 'cmtmedqa-safety-0001', messages: [user('问'), assistant('答')] },
    ]);
  });

  it('takes the dialogue of the liver-cancer data apart', async () => {
    const rows = [
      { instruction: ' <user>: 问一 <bot>: 答一 <user>: 问二', output: '答二', id: 7, input: '' },
    ];
    const { drafts } = await readSource('huatuo-liver-cancer', {
      'data-literature/liver_cancer.json': JSON.stringify(rows),
    });
    expect(drafts).toMatchObject([
      {
        specialty: 'oncology',
        messages: [user(' 问一 '), assistant(' 答一 '), user(' 问二'), assistant('答二')],
      },
    ]);
  });

  it('reads the ShareGPT form of MedicalGPT', async () => {
    const row = {
      conversations: [
        { from: 'human', value: '问' },
        { from: 'gpt', value: '答' },
      ],
    };
    const { drafts } = await readSource('medicalgpt-sft-1k', {
      'data/sft/medical_sft_1K_format.jsonl': `${JSON.stringify(row)}\n`,
    });
    expect(drafts).toMatchObject([{ messages: [user('问'), assistant('答')] }]);
  });

  it('reads a file a dialogue: SMILE', async () => {
    const turns = [
      { role: 'client', content: '问', annotation: [] },
      { role: 'counselor', content: '答', annotation: [] },
    ];
    const { drafts } = await readSource('smile', { 'data/12.json': JSON.stringify(turns) });
    expect(drafts).toEqual([
      { part: 'sft', id: 'smile-12', messages: [user('问'), assistant('答')], specialty: 'psychiatry' },
    ]);
  });

  it('reads a file a dialogue: CPsyCoun', async () => {
    const { drafts } = await readSource('cpsycoun', {
      'CPsyCounD/Data/case_3.txt': '来访者：问\n\n心理咨询师：答一\n答二\n\n来访者：谢谢',
    });
    expect(drafts).toMatchObject([
      { id: 'cpsycoun-3', messages: [user('问\n\n'), assistant('答一\n答二\n\n'), user('谢谢')] },
    ]);
  });

  it('reads the last and longest state of each ReMeDi dialogue', async () => {
    const first = [
      remediTurn('', '问一', '答一'),
      remediTurn(' <|user|> 问一 <|system|> 答一', '问二', '答二'),
    ];
    const text = `${first.join('\n')}\n\n${remediTurn('', '问', '答')}\n`;
    const { drafts } = await readSource('remedi-dev', { 'data/dev_human_annotation.txt': text });
    expect(drafts).toMatchObject([
      {
        id: 'remedi-000',
        messages: [user(' 问一 '), assistant(' 答一'), user(' 问二 '), assistant(' 答二 ')],
      },
      { id: 'remedi-001', messages: [user(' 问 '), assistant(' 答 ')] },
    ]);
  });
});
