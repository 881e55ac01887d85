import { describe, expect, it } from 'vitest';
import modelBytes from '../../../weights/router/router.onnx';
import { createRouter } from '../../../src/edge/router/client.ts';
import { loadRouterModel } from '../../../src/base/router/model.ts';
import { selectShards } from '../../../src/base/router/selection.ts';
import { selectionPolicy } from '../../../src/base/router/policy.ts';
import type { RouteResult, RouterMessage } from '../../../src/base/router/types.ts';

const user = (content: string): RouterMessage => ({ role: 'user', content });
const assistant = (content: string): RouterMessage => ({ role: 'assistant', content });
const question = [user('我妈妈高血压十年，最近胸口发闷，降压药要不要换')];

const best = async (...messages: RouterMessage[]): Promise<string | undefined> =>
  (await createRouter({}).route(messages)).specialties[0]?.specialty;

const shards = async (...messages: RouterMessage[]): Promise<string[]> => {
  const { specialties } = await createRouter({}).route(messages);
  return selectShards(specialties, selectionPolicy).map((choice) => choice.specialty);
};

describe('createRouter', () => {
  it('answers with what the service says', async () => {
    const said: RouteResult = { specialties: [{ specialty: 'tcm', probability: 0.7 }], router: 'onnx' };
    const router = createRouter({ ROUTER: { route: async () => said } });
    expect(await router.route(question)).toEqual(said);
  });

  it('answers by itself where the service is absent, fails or hangs', async () => {
    const failing = { route: () => Promise.reject(new Error('gone')) };
    const hanging = { route: () => new Promise<RouteResult>(() => undefined) };
    for (const env of [{}, { ROUTER: failing }, { ROUTER: hanging }]) {
      const result = await createRouter(env).route(question);
      expect(result.router).toBe('fallback');
      expect(result.specialties[0]?.specialty).toBe('cardiovascular');
    }
  });

  it('names every specialty once, best first, with probabilities', async () => {
    const { specialties } = await createRouter({}).route(question);
    expect(new Set(specialties.map((entry) => entry.specialty)).size).toBe(12);
    for (const [index, { probability }] of specialties.entries()) {
      expect(probability).toBeGreaterThan(0);
      expect(probability).toBeLessThan(1);
      expect(probability).toBeLessThanOrEqual(specialties[index - 1]?.probability ?? 1);
    }
  });
});

describe('the shipped model', () => {
  it.each([
    ['cardiovascular', '早搏吃什么药，心电图显示室性早搏'],
    ['respiratory_infection', '咳嗽有痰半个月，胸片说肺部感染'],
    ['digestive', '乙肝小三阳转氨酶高怎么治疗'],
    ['neurology', '父亲脑梗死后偏瘫，怎么康复'],
    ['endocrine_renal_blood', '糖尿病空腹血糖十点几，胰岛素怎么打'],
    ['surgery_ortho_urology', '右腿骨折打了钢板，多久可以下地'],
    ['obgyn', '月经推迟十天，白带增多，是怀孕了吗'],
    ['pediatrics', '宝宝六个月，夜里哭闹，要不要补钙'],
    ['oncology', '肺癌晚期化疗后还能活多久'],
    ['derm_sensory_dental', '脸上长痘痘，皮肤红痒怎么办'],
    ['psychiatry', '抑郁焦虑，整夜睡不着，什么都不想做'],
    ['tcm', '脾胃虚弱舌苔白腻，吃什么中药调理'],
  ])('sends a plain question to %s', async (specialty, content) => {
    expect(await best(user(content))).toBe(specialty);
  });

  it.each(['你好', '今天天气怎么样', '写一首诗', '', '？？？', 'tell me about the weather'])(
    'sends "%s" to the general path',
    async (content) => {
      expect(await shards(user(content))).toEqual(['general']);
    },
  );

  it('keeps the subject through a follow-up that names none', async () => {
    const messages = [user('乙肝大三阳怎么治疗'), assistant('需要抗病毒。'), user('那平时要注意什么呢')];
    expect(await shards(...messages)).toContain('digestive');
  });

  it('follows a change of subject', async () => {
    const turns = [user('乙肝大三阳怎么治疗'), assistant('需要抗病毒。')];
    expect(await best(...turns, user('我女儿三岁，发烧咳嗽，怎么给小孩退烧'))).toBe('pediatrics');
  });
});

describe('loadRouterModel', () => {
  const intact = new Uint8Array(modelBytes);

  it.each([
    ['nothing', new Uint8Array()],
    ['a file of another kind', new TextEncoder().encode('not a model')],
    ['half of the model', intact.slice(0, intact.length / 2)],
  ])('refuses %s with one typed error', (_, bytes) => {
    expect(() => loadRouterModel(bytes)).toThrow(expect.objectContaining({ code: 'bad_router_model' }));
  });
});
