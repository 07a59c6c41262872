/** Where an image would be admitted, tier by tier: a word and an icon for each, and why not. */
import { Button, Popover } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'

import { send } from '../api/client'
import type { components } from '../api/schema'
import { StateLabel } from './State'

export type Tier = components['schemas']['AdmittedTier']

/** Images of one request; the server takes no more. */
const MOST = 200

/** Milliseconds in which the cells of a table come together to one request. */
const GATHER_MS = 10

interface Waiting {
  image: string
  answer: (tiers: Tier[]) => void
  fail: (error: unknown) => void
}

let waiting: Waiting[] = []

async function ask(some: Waiting[]): Promise<void> {
  const images = [...new Set(some.map((one) => one.image))]
  try {
    const answer = await send<{ items: { image: string; tiers: Tier[] }[] }>('/api/v1/verdicts', { method: 'POST', body: { images } })
    const found = new Map(answer.items.map((one) => [one.image, one.tiers]))
    for (const one of some) one.answer(found.get(one.image) ?? [])
  } catch (error) {
    for (const one of some) one.fail(error)
  }
}

/** The tiers of one image; those of a whole table are asked for together. */
function tiersOf(image: string): Promise<Tier[]> {
  return new Promise((answer, fail) => {
    if (!waiting.length) {
      setTimeout(() => {
        const all = waiting
        waiting = []
        for (let at = 0; at < all.length; at += MOST) void ask(all.slice(at, at + MOST))
      }, GATHER_MS)
    }
    waiting.push({ image, answer, fail })
  })
}

/** Where an image would be admitted, as it is now. */
export function AdmittedImage({ image }: { image: string }) {
  const { data, error } = useQuery({ queryKey: ['admitted', image], queryFn: () => tiersOf(image) })
  if (error) return <StateLabel look="unknown">unknown</StateLabel>
  if (!data) return <span className="fresh">asking…</span>
  return <Admitted tiers={data} image={image} />
}

const SHORT: Record<string, string> = { development: 'dev', staging: 'staging', production: 'prod' }

const LOOKS = { yes: 'good', partly: 'warning', no: 'bad', unknown: 'unknown', unrestricted: 'off' } as const

const WORDS: Record<string, string> = {
  yes: 'admitted',
  partly: 'in places',
  no: 'not admitted',
  unknown: 'unknown',
  unrestricted: 'no policy',
}

/** What is refused only on paper says so: "would be" until the stage is deny. */
function words(tier: Tier): string {
  const stages = Object.keys(tier.stages)
  const enforced = stages.length > 0 && stages.every((stage) => stage === 'deny')
  if (tier.admitted === 'no' && !enforced) return stages.includes('deny') ? 'not admitted' : 'would not be'
  return WORDS[tier.admitted] ?? tier.admitted
}

export function Admitted({ tiers, image }: { tiers: Tier[] | undefined; image: string }) {
  if (!tiers) return <StateLabel look="unknown">unknown</StateLabel>
  if (!tiers.length) return <StateLabel look="unknown">no environment seen</StateLabel>
  return (
    <span className="labels">
      {tiers.map((tier) => (
        <Popover
          key={tier.tier}
          headerContent={`${image} in ${tier.tier}`}
          bodyContent={<Why tier={tier} />}
          aria-label={`${image} in ${tier.tier}`}
        >
          <Button variant="plain" hasNoPadding aria-label={`${SHORT[tier.tier] ?? tier.tier}: ${words(tier)}. Why?`} className="label-button">
            <StateLabel look={LOOKS[tier.admitted]}>
              {SHORT[tier.tier] ?? tier.tier}: {words(tier)}
            </StateLabel>
          </Button>
        </Popover>
      ))}
    </span>
  )
}

function Why({ tier }: { tier: Tier }) {
  const { environments } = tier
  const stages = Object.entries(tier.stages)
  return (
    <>
      {tier.reason ? (
        <p>
          {tier.reason.message} <span className="fresh">({tier.reason.environment}, {tier.reason.code})</span>
        </p>
      ) : null}
      {tier.reason?.nearest ? (
        <p>
          Nearest allowed source: <code>{tier.reason.nearest}</code>
        </p>
      ) : null}
      <ul>
        {(['yes', 'partly', 'no', 'unknown', 'unrestricted'] as const)
          .filter((word) => environments[word])
          .map((word) => (
            <li key={word}>
              {WORDS[word]}: {environments[word]} of {environments.total} environments
            </li>
          ))}
      </ul>
      {tier.admitted === 'partly' && tier.allowedIn.length ? (
        <p>
          Admitted in {tier.allowedIn.slice(0, 5).join(', ')}
          {tier.allowedInTotal > 5 ? ` and ${tier.allowedInTotal - 5} more` : ''}.
        </p>
      ) : null}
      <p className="fresh">
        {stages.length ? `Stages: ${stages.map(([stage, count]) => `${stage} ${count}`).join(', ')}.` : 'No policy restricts sources here.'}
      </p>
    </>
  )
}
