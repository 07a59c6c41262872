/**
 * How a verdict is filled: by colour and by texture, so that print and greyscale tell the same. Unknown is hatched and
 * nothing else is; what no policy judges is dotted; allowed is light and denied is dark.
 */
export type Word = 'ALLOW' | 'DENY' | 'UNKNOWN' | 'NOT_JUDGED'

export const WORDS: Record<Word, string> = {
  DENY: 'Denied',
  UNKNOWN: 'Unknown',
  NOT_JUDGED: 'No policy',
  ALLOW: 'Allowed',
}

const NAMES: Record<Word, string> = { ALLOW: 'allow', DENY: 'deny', UNKNOWN: 'unknown', NOT_JUDGED: 'unjudged' }

/** A word that the server says; what it does not say is unknown. */
export function asWord(word: string | null | undefined): Word {
  return word === 'ALLOW' || word === 'DENY' || word === 'NOT_JUDGED' ? word : 'UNKNOWN'
}

/** The fill of a square; `id` keeps two pictures of one page apart. */
export function fillOf(word: Word, id: string): string {
  return `url(#${id}-${NAMES[word]})`
}

export function Fills({ id }: { id: string }) {
  return (
    <defs>
      <pattern id={`${id}-allow`} width="8" height="8" patternUnits="userSpaceOnUse">
        <rect width="8" height="8" className="fill-allow" />
      </pattern>
      <pattern id={`${id}-deny`} width="8" height="8" patternUnits="userSpaceOnUse">
        <rect width="8" height="8" className="fill-deny" />
      </pattern>
      <pattern id={`${id}-unknown`} width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
        <rect width="8" height="8" className="fill-paper" />
        <line x1="1" y1="0" x2="1" y2="8" className="fill-hatch" />
      </pattern>
      <pattern id={`${id}-unjudged`} width="8" height="8" patternUnits="userSpaceOnUse">
        <rect width="8" height="8" className="fill-paper" />
        <circle cx="4" cy="4" r="1.4" className="fill-dot" />
      </pattern>
      {/* Two lines side by side: one of them is seen upon any fill, in either theme. */}
      <pattern id={`${id}-stale`} width="10" height="10" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)">
        <line x1="1" y1="0" x2="1" y2="10" className="fill-hatch" />
        <line x1="3" y1="0" x2="3" y2="10" className="fill-hatch-paper" />
      </pattern>
    </defs>
  )
}

/** What each fill means, as a list beside the picture. */
export function Legend({ id, stale = false }: { id: string; stale?: boolean }) {
  return (
    <ul className="legend" aria-label="What the fills mean">
      {(Object.keys(WORDS) as Word[]).map((word) => (
        <li key={word}>
          <svg width="24" height="16" aria-hidden="true" className="swatch">
            <rect width="24" height="16" fill={fillOf(word, id)} className="square" />
          </svg>
          {WORDS[word]}
        </li>
      ))}
      {stale ? (
        <li>
          <svg width="24" height="16" aria-hidden="true" className="swatch">
            <rect width="24" height="16" className="square fill-paper" />
            <rect width="24" height="16" fill={`url(#${id}-stale)`} />
          </svg>
          Told a while ago: its agent is silent
        </li>
      ) : null}
    </ul>
  )
}
