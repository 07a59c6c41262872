/** One registry: how it stands, its credential, where it is granted, what runs from it, what is in it, what happened. */
import '../../parts/choices.css'

import { Button, Tab, Tabs, TabTitleText } from '@patternfly/react-core'
import { useParams } from '@tanstack/react-router'
import { lazy, Suspense, useState } from 'react'

import { AnnotationDialog } from '../../parts/Annotation'
import { Fresh } from '../../parts/Fresh'
import { useGo } from '../../parts/Go'
import { Page } from '../../parts/Page'
import { Health } from '../../parts/State'
import { useUrl } from '../../parts/url'
import { MayButton } from '../../parts/Who'
import { Wrong } from '../../parts/Wrong'
import { Browse } from './Browse'
import { LiveChecklist } from './Checklist'
import { Credentials } from './Credentials'
import { DeleteRegistry } from './DeleteRegistry'
import { Grants } from './Grants'
import { History } from './History'
import { Limits } from './Limits'
import { healthOf, useOverview } from './model'
import { Standing } from './Standing'
import { Uses } from './Uses'
import { Vantages } from './Vantages'

// Its form is the largest part, and few come for it.
const EditRegistry = lazy(async () => ({ default: (await import('./EditRegistry')).EditRegistry }))

const TABS = [
  ['standing', 'Overview'],
  ['browse', 'Browse'],
  ['check', 'Checks'],
  ['credentials', 'Credentials'],
  ['grants', 'Grants'],
  ['uses', 'Running'],
  ['limits', 'Rate limits'],
  ['history', 'History'],
  ['edit', 'Edit'],
] as const

export function Registry() {
  const { name = '' } = useParams({ strict: false }) as { name?: string }
  const [url, setUrl] = useUrl()
  const go = useGo()
  const { data, error, dataUpdatedAt, refetch } = useOverview(name)
  const [opened, open] = useState<'annotation' | 'delete' | null>(null)
  const tab = TABS.some(([one]) => one === url.tab) ? (url.tab as string) : 'standing'
  const to = (next: string) =>
    // What one tab is filtered by is not meant for another.
    setUrl({ ...Object.fromEntries(Object.keys(url).map((one) => [one, undefined])), tab: next === 'standing' ? undefined : next }, true)

  return (
    <Page
      title={data?.title || name}
      about={data ? <code>{data.prefix}</code> : undefined}
      above={[{ title: 'Registries', to: '/registries' }]}
      state={data ? <Health state={healthOf(data)} title={data.ready.reason} /> : undefined}
      fresh={<Fresh at={dataUpdatedAt} what="asked" />}
      actions={
        <>
          <MayButton kind="registry" action="validate" variant="secondary" onClick={() => to('check')}>
            Validate
          </MayButton>
          <Button variant="secondary" onClick={() => open('annotation')}>
            Annotation
          </Button>
          <MayButton kind="registry" action="delete" variant="danger" onClick={() => open('delete')}>
            Delete
          </MayButton>
        </>
      }
    >
      {error ? <Wrong error={error} again={() => void refetch()} /> : null}
      <Tabs activeKey={tab} onSelect={(_, key) => to(String(key))} aria-label={`Parts of ${name}`} mountOnEnter unmountOnExit>
        {TABS.map(([one, title]) => (
          <Tab key={one} eventKey={one} title={<TabTitleText>{title}</TabTitleText>}>
            <div className="tab">
              {one === 'standing' && data ? <Standing row={data} /> : null}
              {one === 'browse' ? <Browse name={name} /> : null}
              {one === 'check' && data ? (
                <>
                  <LiveChecklist key={name} name={name} at="press" before={data.checks} />
                  <Vantages row={data} />
                </>
              ) : null}
              {one === 'credentials' && data ? <Credentials row={data} /> : null}
              {one === 'grants' && data ? <Grants row={data} /> : null}
              {one === 'uses' ? <Uses name={name} /> : null}
              {one === 'limits' ? <Limits name={name} /> : null}
              {one === 'history' ? <History name={name} /> : null}
              {one === 'edit' ? (
                <Suspense>
                  <EditRegistry name={name} onDone={() => to('check')} />
                </Suspense>
              ) : null}
            </div>
          </Tab>
        ))}
      </Tabs>
      {opened === 'annotation' ? <AnnotationDialog registry={name} onClose={() => open(null)} /> : null}
      {opened === 'delete' ? <DeleteRegistry name={name} onClose={() => open(null)} onDone={() => go('/registries')} /> : null}
    </Page>
  )
}
