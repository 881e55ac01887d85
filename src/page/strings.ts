/** Every word of the page, in Chinese and English. Static ones are named in index.html by data attributes. */
import { deviceEn, deviceZh } from './on-device/device-strings.ts';
import type { FailureKind } from './responder.ts';

export type Language = 'zh' | 'en';

const zh = {
  locale: 'zh-CN',
  pageTitle: '稀疏医生 · SparseDoctor',
  brand: '稀疏医生',
  skip: '跳到输入框',
  newChat: '新对话',
  settings: '密钥',
  about: '关于',
  otherLanguage: 'EN',
  otherLanguageLabel: 'Switch to English',
  greeting: '您好，想问些什么？',
  lede: '一个演示用的小模型：先分诊到专科，再由该专科的专家分片作答，每一步都摊开给您看。',
  examplesLabel: '试着问问',
  transcriptLabel: '对话',
  questionLabel: '您的问题',
  questionPlaceholder: '描述症状，或直接提问…',
  send: '发送',
  stop: '停止',
  modelLabel: '由谁回答',
  modelRouted: '自动分诊',
  modelBase: '基础模型（无专家）',
  modelPinned: '指定专科',
  fineprint: '演示用小模型，可能出错，不能代替医生。紧急情况请立即拨打 120 或当地急救电话。',
  toLatest: '回到最新',
  you: '您',
  doctor: '回答',
  routing: '正在分诊…',
  waiting: '排队等候中…',
  thinking: '正在作答…',
  stopped: '已停止',
  cutOff: '回答达到长度上限，未写完。',
  empty: '模型没有给出任何文字。',
  copy: '复制',
  copied: '已复制',
  again: '重新回答',
  retry: '重试',
  enterKey: '输入密钥',
  switchToRouted: '改用自动分诊',
  retryIn: (seconds: number) => `重试（${seconds} 秒后）`,
  routeLabel: '路由',
  routeShards: (count: number) => (count === 0 ? '未用专家分片' : `${count} 个专家分片`),
  routeQueue: (ms: string) => `排队 ${ms}`,
  routeSpecialties: '分诊概率',
  routeVersions: '专家分片',
  routePrior: (prior: string) => `权重 ${prior}`,
  routeHost: '主机',
  routeQueueName: '排队',
  routeRouter: '分诊方式',
  routeModel: '模型',
  routeTokens: '词元',
  routeTokensValue: (prompt: number, completion: number) => `提问 ${prompt} · 回答 ${completion}`,
  routeSpeed: '速度',
  routeSpeedValue: (perSecond: string, first: string) => `${perSecond} 词元/秒 · 首字 ${first}`,
  routeRate: (perSecond: string) => `${perSecond} 词元/秒`,
  routeHistory: '带上的上文',
  routeHistoryValue: (turns: number, cut: boolean) => `${turns} 轮${cut ? '（更早的未带上）' : ''}`,
  routers: {
    onnx: '神经路由器（ONNX）',
    fallback: '神经路由器（备用实现）',
    pinned: '由您指定',
    base: '未分诊',
    none: '分诊没有响应',
    device: '神经路由器（在本机）',
  } as Readonly<Record<string, string>>,
  chipBase: '基础模型',
  chipPinned: '指定',
  chipGeneral: '未选专科',
  chipRouterDown: '分诊未响应，由基础模型作答',
  chipExpert: '已启用专家',
  chipsLabel: '分诊结果',
  answered: '回答完毕。',
  needKey: '需要访问密钥才能提问。',
  needKeyHint: '启动服务的终端里会打印它；点那里的链接会自动填好。',
  keyTitle: '访问密钥',
  keyLabel: '密钥',
  keyHint: '启动服务时终端会打印它。只存在这个浏览器里，随请求发给本站。',
  keyRemember: '在此设备上记住',
  keySave: '保存',
  keyInvalid: '密钥只能是不含空格的英文字符。',
  cancel: '取消',
  close: '知道了',
  aboutTitle: '这是什么',
  aboutParagraphs: [
    '这是一个很小的演示模型，用公开的中文医学文本训练。它能展示“分诊到专科专家”的做法，但知识有限，常常会说错，也可能说得很肯定却不对。',
    '它是决策参考，不是医生：不能诊断，不能开药，也看不到您本人。用药、检查和手术请听医生的。',
    '如有胸痛、呼吸困难、意识不清、大出血、抽搐、中毒等紧急情况，请立即拨打 120（或当地急救电话）。想伤害自己时，请拨打心理援助热线 12356，或告诉身边的人。',
    '对话只留在这个页面里，刷新即清空。除非打开“本机回答”，问题会发给本站的服务来作答，请不要写姓名、证件号等个人信息。',
  ],
  failures: {
    unreachable: '连不上服务。请检查网络，或确认服务还在运行。',
    interrupted: '连接中途断开，上面的回答不完整。',
    key: '访问密钥缺失或不正确。',
    forbidden: '这个密钥没有提问的权限。',
    model: '这个专科现在没有上线。',
    too_long: '内容太长，模型读不下。请缩短问题，或开始新对话。',
    invalid: '服务没有接受这个请求。',
    busy: '现在提问的人多，排队已满。',
    unavailable: '暂时没有可用的主机。',
    timeout: '等得太久，服务放弃了这个请求。',
    server: '服务出错了，不是您的问题。',
    device: '本机没能作答。可以重试，或关闭“本机回答”，改由服务作答。',
    device_memory: '内存不够，本机没能作答。请关闭一些标签页再试。',
    device_download: '模型还没有下载完，下载中断了。联网后可以接着下载。',
    gpu_lost: '显卡中途不可用，已改用处理器。请再问一次。',
  } satisfies Record<FailureKind, string> as Readonly<Record<FailureKind, string>>,
  ...deviceZh,
  serverSaid: '服务原话',
  requestId: '请求编号',
  specialties: {
    cardiovascular: '心血管',
    respiratory_infection: '呼吸与感染',
    digestive: '消化肝胆',
    neurology: '神经',
    endocrine_renal_blood: '内分泌·肾·血液',
    surgery_ortho_urology: '外科·骨科·泌尿',
    obgyn: '妇产生殖',
    pediatrics: '儿科',
    oncology: '肿瘤',
    derm_sensory_dental: '皮肤·五官·口腔',
    psychiatry: '精神心理',
    tcm: '中医中药',
    general: '综合',
  } as Readonly<Record<string, string>>,
};

export type Strings = typeof zh;

const en: Strings = {
  locale: 'en',
  pageTitle: 'SparseDoctor',
  brand: 'SparseDoctor',
  skip: 'Skip to the question box',
  newChat: 'New chat',
  settings: 'Key',
  about: 'About',
  otherLanguage: '中',
  otherLanguageLabel: '切换到中文',
  greeting: 'What would you like to ask?',
  lede: 'A small demonstration model: a router picks the specialties, their expert shards answer, and every step is shown. It was trained on Chinese, so ask in Chinese.',
  examplesLabel: 'Try one',
  transcriptLabel: 'Conversation',
  questionLabel: 'Your question',
  questionPlaceholder: 'Describe symptoms or ask, in Chinese…',
  send: 'Send',
  stop: 'Stop',
  modelLabel: 'Answered by',
  modelRouted: 'Routed',
  modelBase: 'Base model (no experts)',
  modelPinned: 'One specialty',
  fineprint:
    'A small demonstration model. It may be wrong and is no doctor. In an emergency call 120 or your local number.',
  toLatest: 'To the latest',
  you: 'You',
  doctor: 'Answer',
  routing: 'Choosing specialties…',
  waiting: 'Waiting in the queue…',
  thinking: 'Answering…',
  stopped: 'Stopped',
  cutOff: 'The answer reached its length limit and is not finished.',
  empty: 'The model gave no text at all.',
  copy: 'Copy',
  copied: 'Copied',
  again: 'Answer again',
  retry: 'Try again',
  enterKey: 'Enter key',
  switchToRouted: 'Use routing instead',
  retryIn: (seconds) => `Try again (in ${seconds} s)`,
  routeLabel: 'Route',
  routeShards: (count) =>
    count === 0 ? 'no expert shards' : count === 1 ? '1 expert shard' : `${count} expert shards`,
  routeQueue: (ms) => `queued ${ms}`,
  routeSpecialties: 'Probabilities',
  routeVersions: 'Expert shards',
  routePrior: (prior) => `weight ${prior}`,
  routeHost: 'Host',
  routeQueueName: 'Queue',
  routeRouter: 'Routed by',
  routeModel: 'Model',
  routeTokens: 'Tokens',
  routeTokensValue: (prompt, completion) => `question ${prompt} · answer ${completion}`,
  routeSpeed: 'Speed',
  routeSpeedValue: (perSecond, first) => `${perSecond} tokens/s · first after ${first}`,
  routeRate: (perSecond) => `${perSecond} tokens/s`,
  routeHistory: 'Earlier turns sent',
  routeHistoryValue: (turns, cut) => `${turns}${cut ? ' (older ones left out)' : ''}`,
  routers: {
    onnx: 'neural router (ONNX)',
    fallback: 'neural router (fallback)',
    pinned: 'you',
    base: 'not routed',
    none: 'router did not answer',
    device: 'neural router (on this device)',
  },
  chipBase: 'Base model',
  chipPinned: 'pinned',
  chipGeneral: 'No specialty',
  chipRouterDown: 'The router did not answer; the base model does',
  chipExpert: 'experts in use',
  chipsLabel: 'Specialties chosen',
  answered: 'The answer is complete.',
  needKey: 'Questions need an access key.',
  needKeyHint: 'The terminal that runs the server prints it; the link there fills it in.',
  keyTitle: 'Access key',
  keyLabel: 'Key',
  keyHint: 'The server prints it when it starts. It stays in this browser and goes only to this site.',
  keyRemember: 'Remember on this device',
  keySave: 'Save',
  keyInvalid: 'A key has plain characters and no spaces.',
  cancel: 'Cancel',
  close: 'Got it',
  aboutTitle: 'What this is',
  aboutParagraphs: [
    'A very small demonstration model, trained on open Chinese medical text. It shows how questions are routed to specialty experts. It knows little, is often wrong, and may sound sure when it is.',
    'It supports decisions and is not a doctor: it cannot diagnose, prescribe or see you. Ask a doctor about medicines, tests and operations.',
    'With chest pain, trouble breathing, confusion, heavy bleeding, seizures, poisoning or the like, call 120 (or your local emergency number) at once. If you think of harming yourself, call 12356 in China or your local helpline, or tell someone near you.',
    'The conversation stays in this page and is gone on reload. Unless you turn on answering on this device, questions are sent to this site’s server: leave out names and identity numbers.',
  ],
  failures: {
    unreachable: 'The server cannot be reached. Check the network, or whether it still runs.',
    interrupted: 'The connection broke; the answer above is incomplete.',
    key: 'The access key is missing or wrong.',
    forbidden: 'This key may not ask questions.',
    model: 'This specialty is not online now.',
    too_long: 'This is too long for the model. Shorten the question or start a new chat.',
    invalid: 'The server did not accept this request.',
    busy: 'Many are asking right now and the queue is full.',
    unavailable: 'No host is available at the moment.',
    timeout: 'This took too long and the server gave up.',
    server: 'The server failed. It is not your fault.',
    device: 'This device could not answer. Try again, or turn off answering on this device.',
    device_memory: 'There was not enough memory on this device to answer. Close some tabs and try again.',
    device_download:
      'The model is not downloaded yet, and the download broke off. It goes on once you are online.',
    gpu_lost: 'The GPU became unavailable; the processor has taken over. Please ask again.',
  },
  ...deviceEn,
  serverSaid: 'The server said',
  requestId: 'Request id',
  specialties: {
    cardiovascular: 'Cardiovascular',
    respiratory_infection: 'Respiratory & infection',
    digestive: 'Digestive',
    neurology: 'Neurology',
    endocrine_renal_blood: 'Endocrine, renal, blood',
    surgery_ortho_urology: 'Surgery, ortho, urology',
    obgyn: 'Ob-gyn',
    pediatrics: 'Paediatrics',
    oncology: 'Oncology',
    derm_sensory_dental: 'Skin, ENT, eye, dental',
    psychiatry: 'Psychiatry',
    tcm: 'Chinese medicine',
    general: 'General',
  },
};

/** Chinese in both languages: it is what the model reads. The gloss is for those who do not. */
export const examples: readonly {
  readonly question: string;
  readonly specialty: string;
  readonly gloss: string;
}[] = [
  {
    question: '高血压平时饮食上要注意什么？',
    specialty: 'cardiovascular',
    gloss: 'What should I eat with high blood pressure?',
  },
  {
    question: '孩子三岁，发烧 38.5 度还咳嗽，该怎么办？',
    specialty: 'pediatrics',
    gloss: 'My three-year-old has a fever of 38.5 °C and a cough.',
  },
  {
    question: '胃镜查出慢性浅表性胃炎，需要吃药吗？',
    specialty: 'digestive',
    gloss: 'Does chronic superficial gastritis need medicine?',
  },
  {
    question: '最近总是失眠、心里烦躁，怎么调整？',
    specialty: 'psychiatry',
    gloss: 'I cannot sleep and feel restless. What helps?',
  },
];

const languages: Readonly<Record<Language, Strings>> = { zh, en };
const storageName = 'sparsedoctor.language';

/** Chinese unless the browser asks for other languages only, or the person chose. */
export function initialLanguage(): Language {
  const stored = storedLanguage();
  if (stored) return stored;
  return navigator.languages.length === 0 || navigator.languages.some((one) => one.startsWith('zh'))
    ? 'zh'
    : 'en';
}

export function rememberLanguage(language: Language): void {
  try {
    localStorage.setItem(storageName, language);
  } catch {
    // Storage is off: the choice lasts as long as the page.
  }
}

export function stringsOf(language: Language): Strings {
  return languages[language];
}

export function specialtyName(strings: Strings, specialty: string): string {
  return strings.specialties[specialty] ?? specialty;
}

function storedLanguage(): Language | null {
  try {
    const stored = localStorage.getItem(storageName);
    return stored === 'zh' || stored === 'en' ? stored : null;
  } catch {
    return null;
  }
}
