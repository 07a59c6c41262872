/**
 * Type any image: how it is read, what the policy says of it, and by which row. An image that cannot be read safely is
 * denied, and here it is said why.
 */
import { FormGroup, FormSelect, FormSelectOption, Grid, GridItem, TextInput } from '@patternfly/react-core'

import { Verdict } from '../../parts/State'
import type { Matched } from './effect'

export interface MatcherProps {
  image: string
  namespace: string
  environment: string
  environments: string[]
  set: (changed: { image?: string; namespace?: string; environment?: string }) => void
  /** The answer to an image, which may be one that was typed before. */
  matched: Matched | undefined
  kubernetes: boolean
}

export function Matcher({ image, namespace, environment, environments, set, matched, kubernetes }: MatcherProps) {
  const answer = matched && matched.image === image.trim() ? matched : undefined
  return (
    <section className="matcher" aria-labelledby="matcher-title">
      <h2 id="matcher-title">Which row matches?</h2>
      <Grid hasGutter>
        <GridItem>
          <FormGroup label="Image" fieldId="matcher-image">
            <TextInput id="matcher-image" value={image} onChange={(_, text) => set({ image: text })} placeholder="nginx" spellCheck={false} />
          </FormGroup>
        </GridItem>
        {kubernetes ? (
          <GridItem span={6}>
            <FormGroup label="In namespace" fieldId="matcher-namespace">
              <TextInput id="matcher-namespace" value={namespace} onChange={(_, text) => set({ namespace: text })} placeholder="default" spellCheck={false} />
            </FormGroup>
          </GridItem>
        ) : null}
        <GridItem span={6}>
          <FormGroup label="In environment" fieldId="matcher-environment">
            <FormSelect id="matcher-environment" value={environment} onChange={(_, chosen) => set({ environment: chosen })}>
              <FormSelectOption value="" label="the first of its groups" />
              {environments.map((one) => (
                <FormSelectOption key={one} value={one} label={one} />
              ))}
            </FormSelect>
          </FormGroup>
        </GridItem>
      </Grid>
      <div role="status">{image.trim() ? answer ? <Answer matched={answer} /> : <p className="fresh">Reading it…</p> : null}</div>
    </section>
  )
}

export function Answer({ matched }: { matched: Matched }) {
  const [first, ...others] = matched.rows
  return (
    <dl className="answer">
      <dt>Read as</dt>
      <dd>{matched.canonical ? <code>{matched.canonical}</code> : 'nothing: it cannot be read safely'}</dd>
      <dt>Verdict</dt>
      <dd>
        <Verdict verdict={matched.verdict} /> in {matched.namespace}
        {matched.environment ? ` of ${matched.environment}` : ''}
      </dd>
      {first ? (
        <>
          <dt>By</dt>
          <dd>
            <Row row={first} />
            {others.length ? <div className="fresh">also by {others.map((one) => one.prefix).join(', ')}</div> : null}
          </dd>
        </>
      ) : (
        <>
          <dt>Because</dt>
          <dd>
            {matched.reasons.map((one, index) => (
              <div key={index}>{one.message}</div>
            ))}
          </dd>
          {matched.nearest ? (
            <>
              <dt>Nearest</dt>
              <dd>
                <Row row={matched.nearest} />
              </dd>
            </>
          ) : null}
        </>
      )}
    </dl>
  )
}

function Row({ row }: { row: Matched['rows'][number] }) {
  const scope = row.namespaces ? `in ${row.namespaces.join(', ')}` : 'Global'
  const whose = row.origin === 'grant' ? row.owner : row.origin === 'prefilled' ? row.owner : 'an allowed source'
  return (
    <>
      <code>{row.prefix}</code> ({scope}), {whose}
    </>
  )
}

/** The rows that an answer points at: by their path in the document, or by their prefix where no document holds them. */
export function pointed(matched: Matched | undefined): ReadonlySet<string> {
  if (!matched) return new Set()
  const rows = matched.rows.length ? matched.rows.slice(0, 1) : matched.nearest ? [matched.nearest] : []
  return new Set(rows.map((one) => one.field || one.prefix))
}
