/**
 * Names of departments and exam subjects, as hospitals and examiners use them, to the specialty labels of the shards. Null
 * for a name that says nothing about the specialty (internal medicine as a whole, laboratory, imaging, first aid).
 */

const DEPARTMENTS: Readonly<Record<string, string>> = {
  cardiovascular: '心内科 心血管内科 心血管科 心脏科 心外科 心脏外科 心胸外科 血管外科',
  respiratory_infection:
    '呼吸科 呼吸内科 感染科 感染内科 传染科 传染病科 结核病科 结核病 发热门诊 ' +
    '呼吸与危重症医学科 地方病科',
  digestive: '消化科 消化内科 肝病科 肝胆科 肝胆内科 肝胆外科 胃肠外科 胃肠科 肝病',
  neurology: '神经科 神经内科 神经外科 脑外科 神经病学',
  endocrine_renal_blood:
    '内分泌科 内分泌 肾内科 肾脏内科 肾病内科 血液科 血液内科 风湿科 风湿免疫科 ' +
    '风湿免疫内科 糖尿病 内分泌与代谢病科 肾病学 血液病学 内分泌学',
  surgery_ortho_urology:
    '外科 普外科 普通外科 骨科 骨外科 泌尿外科 泌尿科 男科 肛肠科 肛肠外科 麻醉科 ' +
    '整形外科 整形科 烧伤科 创伤科 疼痛科 运动医学科 医疗美容科 胸外科 手外科 康复医学科 ' +
    '康复科 外科学 骨科学 泌尿外科学',
  obgyn: '妇产科 妇科 产科 生殖医学科 生殖健康科 妇女保健 妇产科学 不孕不育科 生殖中心',
  pediatrics: '儿科 小儿科 小儿内科 小儿外科 儿童外科 儿童保健科 新生儿科 儿内科 儿外科 儿科学',
  oncology: '肿瘤科 肿瘤内科 肿瘤外科 放疗科 化疗科 放射肿瘤科 肿瘤学 肿瘤放射治疗',
  derm_sensory_dental:
    '皮肤科 皮肤性病科 性病科 眼科 耳鼻咽喉科 耳鼻喉科 五官科 口腔科 口腔内科 口腔颌面外科 ' +
    '口腔正畸科 口腔修复科 牙科 眼科学 口腔执业医师 口腔执业助理医师 皮肤与性病学 ' +
    '耳鼻咽喉科学',
  psychiatry: '精神科 心理科 精神心理科 心理咨询科 心理健康科 精神病科 精神病学',
  tcm:
    '中医科 中医 中医内科 中医外科 中医妇科 中医儿科 中医骨伤科 针灸科 推拿科 民族医学科 ' +
    '中西医结合科 中医执业医师 中医执业助理医师 针灸推拿科 中医综合 中药学',
};

const SPECIALTY_BY_DEPARTMENT = new Map(
  Object.entries(DEPARTMENTS).flatMap(([specialty, names]) =>
    names.split(' ').map((name) => [name, specialty]),
  ),
);

export function specialtyOfDepartment(department: string): string | null {
  return SPECIALTY_BY_DEPARTMENT.get(department.trim()) ?? null;
}
