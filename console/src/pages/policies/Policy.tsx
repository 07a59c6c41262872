/** One policy: what it is, the rows that count, the matcher, its roll-out, and where else it is told of. */
import {
  Button,
  DescriptionList,
  DescriptionListDescription,
  DescriptionListGroup,
  DescriptionListTerm,
  Form,
  FormGroup,
  Grid,
  GridItem,
  List,
  ListItem,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
  Spinner,
  Tab,
  Tabs,
  TabTitleText,
  TextInput,
} from '@patternfly/react-core'
import { useParams } from '@tanstack/react-router'
import { useState, type ReactNode } from 'react'

import { titleOf } from '../../api/documents'
import { ConfirmChange } from '../../parts/ConfirmChange'
import { Fresh, When } from '../../parts/Fresh'
import { Go, here, useGo } from '../../parts/Go'
import { codeOfChange, InCode } from '../../parts/InCode'
import { Page } from '../../parts/Page'
import { useList } from '../../parts/Rows'
import { Enforcement, Health, StageLabel } from '../../parts/State'
import { useUrl } from '../../parts/url'
import { MayButton } from '../../parts/Who'
import { Wrong } from '../../parts/Wrong'
import { ConfirmPolicy } from './ConfirmPolicy'
import { namespacesText, subjectsText, type PolicyDocument } from './draft'
import { usePolicy } from './EditPolicy'
import { useEffectOf, type Coverage, type PolicyEffect } from './effect'
import { LiveEffect } from './LiveEffect'
import { Matcher, pointed } from './Matcher'
import { useNarrowed } from './Removable'
import { Rollout } from './Rollout'

const TABS: [string, string][] = [
  ['overview', 'Overview'],
  ['sources', 'Allowed sources'],
  ['matcher', 'Matcher'],
  ['rollout', 'Roll-out'],
]

/** The words for a policy as a whole: of several environments the one that asks for a look most. */
const WORST = ['Gap', 'Unknown', 'Warning', 'Auditing', 'Enforced', 'Off']

export function Policy() {
  const { name = '' } = useParams({ strict: false })
  const { data: policy, error, refetch } = usePolicy(name)
  const [url, setUrl] = useUrl()
  const go = useGo()
  const [removing, remove] = useState(false)
  const [renaming, rename] = useState(false)
  const tab = TABS.some(([one]) => one === url.tab) ? (url.tab ?? 'overview') : 'overview'
  const asked = { image: url.image ?? '', namespace: url.namespace ?? '', environment: url.environment ?? '' }
  const effect = useEffectOf(
    policy ?? null,
    {
      ...(asked.image.trim() ? { images: [asked.image.trim()] } : {}),
      ...(asked.namespace.trim() ? { namespace: asked.namespace.trim() } : {}),
      ...(asked.environment ? { environment: asked.environment } : {}),
    },
    60_000,
  )
  const coverage = useList<Coverage>('/api/v1/policycoverage', { q: name, limit: '200' })
  const standing = coverage.data?.items.find((one) => one.name === name)

  if (error) {
    return (
      <Page title={name} above={above}>
        <Wrong error={error} again={() => void refetch()} />
      </Page>
    )
  }
  if (!policy) {
    return (
      <Page title={name} above={above}>
        <p role="status">
          <Spinner size="md" aria-label="Loading" /> Loading…
        </p>
      </Page>
    )
  }
  const matched = effect.data?.matched[0]
  const title = titleOf(policy)
  return (
    <Page
      title={title}
      above={above}
      state={<State standing={standing} />}
      fresh={standing ? <Fresh at={standing.freshness.oldest} what="inventory" from={{ told: standing.freshness.reported, all: standing.freshness.of }} /> : null}
      actions={
        <>
          <MayButton kind="registry-policy" action="plan" variant="primary" onClick={() => go(here('policies', name, 'edit'))}>
            Edit
          </MayButton>
          <MayButton kind="registry-policy" action="plan" variant="secondary" onClick={() => rename(true)}>
            Rename
          </MayButton>
          <MayButton kind="registry-policy" action="delete" variant="danger" onClick={() => remove(true)}>
            Remove
          </MayButton>
          <InCode code={codeOfChange({ documents: [policy] })} what={`The policy ${name}`} />
        </>
      }
    >
      <Tabs activeKey={tab} onSelect={(_, next) => setUrl({ tab: next === 'overview' ? undefined : String(next) }, true)} aria-label="Parts of the policy" mountOnEnter unmountOnExit>
        <Tab eventKey="overview" title={<TabTitleText>Overview</TabTitleText>}>
          <Overview policy={policy} standing={standing} effect={effect.data} error={effect.error} asking={effect.isFetching} />
        </Tab>
        <Tab eventKey="sources" title={<TabTitleText>Allowed sources</TabTitleText>}>
          <Sources effect={effect.data} marked={new Set()} />
          {effect.error ? <Wrong error={effect.error} /> : null}
        </Tab>
        <Tab eventKey="matcher" title={<TabTitleText>Matcher</TabTitleText>}>
          <Matcher
            {...asked}
            environments={(effect.data?.places ?? []).map((one) => one.environment)}
            set={setUrl}
            matched={matched}
            kubernetes={policy.spec.type !== 'docker'}
          />
          {effect.error ? <Wrong error={effect.error} /> : null}
          <Sources effect={effect.data} marked={asked.image.trim() && matched?.image === asked.image.trim() ? pointed(matched) : new Set()} />
        </Tab>
        <Tab eventKey="rollout" title={<TabTitleText>Roll-out</TabTitleText>}>
          <Rollout name={name} etag={policy.status?.etag} />
        </Tab>
      </Tabs>
      {removing ? (
        <ConfirmChange
          title={`Remove the policy ${name}`}
          change={{ delete: [{ kind: 'RegistryPolicy', name, etag: policy.status?.etag }] }}
          verb="Remove"
          danger
          done={`Removed the policy ${name}`}
          onDone={() => go('/policies')}
          onClose={() => remove(false)}
        />
      ) : null}
      {renaming ? <Rename policy={policy} effect={effect.data} close={() => rename(false)} /> : null}
    </Page>
  )
}

const above = [{ title: 'Policies', to: '/policies' }]

function State({ standing }: { standing: Coverage | undefined }) {
  if (!standing) return null
  const there = standing.enforcement
  const worst = WORST.find((one) => there[one]) ?? 'Unknown'
  const told = standing.freshness
  // Ready is only what is known of every environment: that its agent comes, and that it has told what runs.
  const ready = told.of > 0 && told.reported === told.of && standing.connected === told.of && !there.Unknown
  const health = ready ? 'Ready' : told.of > 0 && standing.connected < told.reported ? 'Unreachable' : 'Unknown'
  return (
    <span className="state-pair">
      <span className="axis">Enforcement</span> <Enforcement state={worst} />
      <span className="axis">Health</span> <Health state={health} />
    </span>
  )
}

function Overview(props: { policy: PolicyDocument; standing: Coverage | undefined; effect: PolicyEffect | undefined; error: unknown; asking: boolean }) {
  const { policy, standing, effect } = props
  const { spec, status, metadata } = policy
  const stage = spec.restrict?.stage ?? 'off'
  const kubernetes = spec.type !== 'docker'
  const rows: [string, ReactNode][] = [
    ['Name for references', <code key="name">{metadata.name}</code>],
    ['Type', kubernetes ? 'Kubernetes > Registry' : 'Docker > Registry'],
    [
      'Environment groups',
      spec.groups?.length
        ? spec.groups.map((one, index) => (
            <span key={one}>
              {index ? ', ' : ''}
              <Go to={here('groups', one)}>{one}</Go>
            </span>
          ))
        : 'none: it is in force nowhere',
    ],
    [
      'Environments',
      status?.environments?.length ? `${status.environments.slice(0, 20).join(', ')}${status.environments.length > 20 ? ` and ${status.environments.length - 20} more` : ''}` : 'none',
    ],
    ['Stage', <StageLabel key="stage" stage={stage} />],
    ['Engine', standing?.engine ?? '…'],
    [
      'Requirements',
      kubernetes ? `Kubernetes 1.30 or later, and an agent in each cluster${standing?.cannotRestrict ? `; ${standing.cannotRestrict} of ${standing.environments} environments cannot restrict, or have not told their version` : ''}` : 'Docker or Swarm; sources are checked at deployment time only',
    ],
    ['Accesses of environments', spec.allowOverride ? 'stay in force beside those of the policy' : 'are replaced by those of the policy'],
    ['Last updated', <When key="updated" at={status?.updatedAt} />],
    [
      'Last moved',
      status?.moved ? (
        <>
          {status.moved.from} to {status.moved.to} by {status.moved.by}, <When at={status.moved.at} />
          {status.moved.forced ? `, though it was held: ${status.moved.reason ?? ''}` : ''}
        </>
      ) : (
        'never'
      ),
    ],
    [
      'See also',
      <>
        <Go to={`/attachments?q=${encodeURIComponent(metadata.name)}`}>Attachments</Go>, <Go to={`/exemptions?policy=${encodeURIComponent(metadata.name)}`}>Exemptions</Go>,{' '}
        <Go to={`/audit?name=${encodeURIComponent(metadata.name)}`}>History</Go>
      </>,
    ],
  ]
  return (
    <Grid hasGutter className="policy-overview">
      <GridItem lg={7}>
        <DescriptionList isHorizontal isCompact columnModifier={{ default: '1Col' }}>
          {rows.map(([term, text]) => (
            <DescriptionListGroup key={term}>
              <DescriptionListTerm>{term}</DescriptionListTerm>
              <DescriptionListDescription>{text}</DescriptionListDescription>
            </DescriptionListGroup>
          ))}
        </DescriptionList>
        <section aria-label="Registry access">
          <h2>Registry access</h2>
          {spec.access?.length ? (
            <table className="plain" aria-label="Registry access">
              <thead>
                <tr>
                  <th scope="col">Registry</th>
                  <th scope="col">{kubernetes ? 'Namespaces' : 'Teams and users'}</th>
                  <th scope="col">Delivery</th>
                  <th scope="col">Running images</th>
                </tr>
              </thead>
              <tbody>
                {spec.access.map((one, index) => (
                  <tr key={index}>
                    <td>
                      <Go to={here('registries', one.registry)}>{one.registry}</Go>
                    </td>
                    <td>{kubernetes ? namespacesText(one.namespaces) : subjectsText(one.subjects)}</td>
                    <td>{one.delivery?.mode ?? 'standing'}</td>
                    <td>{effect?.grants[index]?.matches ?? '…'}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          ) : (
            <p>It grants no registry.</p>
          )}
        </section>
      </GridItem>
      <GridItem lg={5}>
        <div className="policy-aside">
          <LiveEffect effect={effect} error={props.error} asking={props.asking} restricts={stage !== 'off'} />
        </div>
      </GridItem>
    </Grid>
  )
}

/** The rows that count: those of the document, what its grants allow, and what every policy has. */
function Sources({ effect, marked }: { effect: PolicyEffect | undefined; marked: ReadonlySet<string> }) {
  return effect ? <Effective effect={effect} marked={marked} /> : null
}

function Effective({ effect, marked }: { effect: PolicyEffect; marked: ReadonlySet<string> }) {
  const granted = effect.grants.map((one) => ({
    field: one.field,
    prefix: one.prefix ?? `registry ${one.registry}, which is not there`,
    scope: one.namespaces.count ? `${one.namespaces.first.join(', ')}${one.namespaces.count > one.namespaces.first.length ? ' …' : ''}` : 'no namespace now',
    why: `granted with registry ${one.registry}`,
    matches: one.matches,
  }))
  const listed = effect.sources.map((one) => ({
    field: one.field,
    prefix: one.prefix,
    scope: one.namespaces ? one.namespaces.join(', ') : 'Global',
    why: one.removable ? one.note : `${one.note} (part of every policy)`,
    matches: one.matches,
  }))
  const all = [...listed.filter((one) => one.field), ...granted, ...listed.filter((one) => !one.field)]
  const [rows, field] = useNarrowed(all, 'effective rows', (one) => `${one.prefix} ${one.scope} ${one.why}`)
  return (
    <>
      {field}
      <div className="scrolled" tabIndex={0} role="region" aria-label="Effective rows, table">
        <table className="plain" aria-label="Effective rows">
          <thead>
            <tr>
              <th scope="col">Prefix</th>
              <th scope="col">Scope</th>
              <th scope="col">Why</th>
              <th scope="col">Matches now</th>
            </tr>
          </thead>
          <tbody>
            {rows.slice(0, 200).map((one) => {
              const at = marked.has(one.field || one.prefix)
              return (
                <tr key={`${one.field}/${one.prefix}/${one.scope}`} className={[at ? 'marked' : '', one.matches === 0 ? 'idle' : ''].join(' ').trim()} aria-current={at || undefined}>
                  <td>
                    <code>{one.prefix}</code>
                  </td>
                  <td>{one.scope}</td>
                  <td>{one.why}</td>
                  <td>{one.matches}</td>
                </tr>
              )
            })}
          </tbody>
        </table>
        {rows.length > 200 ? <p className="fresh">and {rows.length - 200} more: narrow the list</p> : null}
        {effect.hiddenEnvironments ? (
          <List>
            <ListItem>{effect.hiddenEnvironments} environments that you may not see are not counted.</ListItem>
          </List>
        ) : null}
      </div>
    </>
  )
}

function Rename({ policy, effect, close }: { policy: PolicyDocument; effect: PolicyEffect | undefined; close: () => void }) {
  const [title, type] = useState(titleOf(policy))
  const [sure, decide] = useState(false)
  const { title: _before, ...rest } = policy.spec
  const after: PolicyDocument = { ...policy, spec: { ...rest, ...(title.trim() && title.trim() !== policy.metadata.name ? { title: title.trim() } : {}) } }
  if (sure) {
    const what = { title: `Rename the policy ${policy.metadata.name}`, verb: 'Rename', done: `Renamed ${policy.metadata.name}` }
    return <ConfirmPolicy document={after} stored={policy} effect={effect} replace={false} what={what} onDone={close} onClose={close} />
  }
  return (
    <Modal isOpen onClose={close} variant="small" aria-label="Rename the policy" elementToFocus="#policy-title">
      <ModalHeader title="Rename the policy" description={`Others go on referring to it as ${policy.metadata.name}.`} />
      <ModalBody>
        <Form
          id="rename-form"
          onSubmit={(event) => {
            event.preventDefault()
            decide(true)
          }}
        >
          <FormGroup label="Name" fieldId="policy-title">
            <TextInput id="policy-title" value={title} maxLength={200} onChange={(_, text) => type(text)} />
          </FormGroup>
        </Form>
      </ModalBody>
      <ModalFooter>
        <Button type="submit" form="rename-form" variant="primary">
          Go on
        </Button>
        <Button variant="link" onClick={close}>
          Cancel
        </Button>
      </ModalFooter>
    </Modal>
  )
}
