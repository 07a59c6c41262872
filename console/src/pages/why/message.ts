/** What an admission message says (core/expressions.py), and its link: `/why#TOKEN/NAMESPACE/IMAGE` (core/why_link.py). */
export interface Asked {
  token: string
  namespace: string
  image: string
}

/** The fragment of the link. What is missing is "". */
export function readFragment(hash: string): Asked {
  const [token = '', namespace = '', ...image] = hash.replace(/^#/, '').split('/')
  return { token, namespace, image: image.join('/') }
}

export function writeFragment({ token, namespace, image }: Asked): string {
  return `#${[token, namespace, image].join('/')}`
}

export interface Facts extends Asked {
  policy: string
  generation: string
}

const LINK = /https?:\/\/\S+?\/why#([A-Za-z0-9_-]{24})\/([a-z0-9-]{0,63})\/(\S*)/
const SAID = /images? (\S+?)(?:,? .*?)? not allowed in namespace ([a-z0-9-]{1,63}) \(policy ([a-z0-9.-]{1,253}), generation (\d+)\)/

/** What a pasted message says, whatever stands around it; null if it is none of ours. Lines may have been broken. */
export function readMessage(text: string): Facts | null {
  const whole = text.replace(/\s+/g, ' ')
  const link = LINK.exec(whole)
  const said = SAID.exec(whole)
  if (!link && !said) return null
  return {
    token: link?.[1] ?? '',
    namespace: link?.[2] || said?.[2] || '',
    image: link?.[3]?.replace(/["')\]]+$/, '') || said?.[1] || '',
    policy: said?.[3] ?? '',
    generation: said?.[4] ?? '',
  }
}
