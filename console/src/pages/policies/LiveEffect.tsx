/** What the draft would do to what runs now: one sentence, a bar, who is blocked, and what each environment can do. */
import { Alert, List, ListItem, Spinner } from '@patternfly/react-core'

import { Fresh, When } from '../../parts/Fresh'
import { Wrong } from '../../parts/Wrong'
import type { EffectPlace, PolicyEffect } from './effect'

export interface LiveEffectProps {
  effect: PolicyEffect | undefined
  error: unknown
  asking: boolean
  /** Whether the policy restricts at all: without that, what it would block is told as what it could. */
  restricts: boolean
  /** Put the images of system namespaces into the sources. */
  fillSystem?: () => void
}

const PARTS = [
  ['allowed', 'allowed'],
  ['blocked', 'blocked'],
  ['unknown', 'unknown'],
  ['reported', 'reported only'],
] as const

export function LiveEffect({ effect, error, asking, restricts, fillSystem }: LiveEffectProps) {
  return (
    <section className="live-effect" aria-labelledby="live-effect-title">
      <h2 id="live-effect-title">Live effect {asking ? <Spinner size="sm" aria-label="Working out the effect" /> : null}</h2>
      {error ? <Wrong error={error} title="The effect cannot be worked out as it is" /> : null}
      {effect ? <Shown effect={effect} restricts={restricts} fillSystem={fillSystem} /> : null}
      {effect || error || asking ? null : <p className="fresh">Choose groups with environments to see what the policy would do there.</p>}
    </section>
  )
}

/** "Of 412 running images 398 are allowed, 14 blocked." */
export function sentence({ counts }: PolicyEffect): string {
  const parts = [`${counts.allowed} allowed`, `${counts.blocked} blocked`]
  if (counts.unknown) parts.push(`${counts.unknown} unknown`)
  if (counts.reported) parts.push(`${counts.reported} in system namespaces, where nothing is refused`)
  return `Of ${counts.running} running ${counts.running === 1 ? 'image' : 'images'}: ${parts.join(', ')}`
}

function Shown({ effect, restricts, fillSystem }: { effect: PolicyEffect; restricts: boolean; fillSystem: (() => void) | undefined }) {
  const { counts, freshness } = effect
  const told = freshness.reported > 0
  const lockedOut = effect.refusals.some((one) => one.code === 'would_lock_out')
  return (
    <>
      <p role="status" className="effect-sentence">
        {effect.places.length === 0 && effect.hiddenEnvironments === 0 ? (
          'Choose groups with environments to see what the policy would do there.'
        ) : told ? (
          <>
            {restricts ? '' : 'If it restricted sources: '}
            {sentence(effect)}.
          </>
        ) : (
          'What runs there is not known: no environment has told it yet.'
        )}
      </p>
      {told && counts.running ? <Bar effect={effect} /> : null}
      {effect.places.length ? (
        <p>
          <Fresh at={freshness.oldest} what="inventory" from={{ told: freshness.reported, all: freshness.of }} />
        </p>
      ) : null}
      {freshness.silent.length ? (
        <p className="fresh">Not told: {freshness.silent.join(', ')}. What runs there counts in no number here.</p>
      ) : null}
      {effect.hiddenEnvironments ? <p className="fresh">{effect.hiddenEnvironments} environments that you may not see are not counted.</p> : null}
      {effect.refusals.length ? (
        <Alert
          variant="danger"
          isInline
          title="As it is, the plan would be refused"
          actionLinks={
            lockedOut && fillSystem ? (
              <button type="button" className="pf-v6-c-button pf-m-link pf-m-inline" onClick={fillSystem}>
                Add the system images that run
              </button>
            ) : undefined
          }
        >
          <List>
            {effect.refusals.slice(0, 10).map((one, index) => (
              <ListItem key={index}>
                {one.message}
                {one.hint ? <span className="fresh"> {one.hint}</span> : null}
              </ListItem>
            ))}
            {effect.refusals.length > 10 ? <ListItem>and {effect.refusals.length - 10} more</ListItem> : null}
          </List>
        </Alert>
      ) : null}
      <Blocked effect={effect} />
      <Places places={effect.places} restricts={restricts} />
      {effect.warnings.length ? (
        <List aria-label="Advice">
          {effect.warnings.map((one, index) => (
            <ListItem key={index}>
              {one.message} <span className="fresh">{one.hint}</span>
            </ListItem>
          ))}
        </List>
      ) : null}
    </>
  )
}

/** The counts as one bar; the sentence above it is its table. */
function Bar({ effect }: { effect: PolicyEffect }) {
  const { counts } = effect
  let at = 0
  return (
    <svg className="effect-bar" viewBox="0 0 100 4" preserveAspectRatio="none" role="img" aria-label={sentence(effect)}>
      {PARTS.map(([part]) => {
        const width = (100 * counts[part]) / counts.running
        const x = at
        at += width
        return width ? <rect key={part} className={`effect-${part}`} x={x} y="0" width={width} height="4" /> : null
      })}
    </svg>
  )
}

function Blocked({ effect }: { effect: PolicyEffect }) {
  const { blocked, counts } = effect
  if (!blocked.length) return null
  return (
    <section aria-label="Blocked">
      <h3>
        Blocked: {counts.blocked} {counts.blocked === 1 ? 'image' : 'images'} of {counts.workloads} {counts.workloads === 1 ? 'workload' : 'workloads'}
      </h3>
      <div className="scrolled" tabIndex={0} role="region" aria-label="Blocked images, table">
        <table className="plain" aria-label="Blocked images">
          <thead>
            <tr>
              <th scope="col">Image</th>
              <th scope="col">Where</th>
            </tr>
          </thead>
          <tbody>
            {blocked.map((one) => (
              <tr key={`${one.environment}/${one.namespace}/${one.owner}/${one.image}`}>
                <td>
                  <code>{one.image}</code>
                  <div className="fresh">
                    {one.reason}
                    {one.nearest ? (
                      <>
                        ; nearest is <code>{one.nearest}</code>
                      </>
                    ) : null}
                  </div>
                </td>
                <td>
                  {one.environment}/{one.namespace}
                  <div className="fresh">{one.owner}</div>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {counts.blocked > blocked.length ? <p className="fresh">and {counts.blocked - blocked.length} more</p> : null}
    </section>
  )
}

/** Environments that cannot do what the policy asks for; what they can is said once. */
export function Places({ places, restricts }: { places: EffectPlace[]; restricts: boolean }) {
  if (!places.length) return null
  const cannot = places.filter((one) => one.restricts !== true)
  return (
    <section aria-label="Capabilities">
      <h3>Can the environments restrict images?</h3>
      <p>
        {places.length - cannot.length} of {places.length} can refuse images at admission (Kubernetes 1.30 or later).
      </p>
      {restricts && cannot.length ? (
        <List>
          {cannot.slice(0, 20).map((one) => (
            <ListItem key={one.environment}>
              <code>{one.environment}</code>: {one.why} {one.restricts === null ? <Last at={one.lastSeen} /> : null}
            </ListItem>
          ))}
          {cannot.length > 20 ? <ListItem>and {cannot.length - 20} more</ListItem> : null}
        </List>
      ) : null}
    </section>
  )
}

function Last({ at }: { at: string | null }) {
  return (
    <span className="fresh">
      last seen <When at={at} />
    </span>
  )
}
