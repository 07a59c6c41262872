/** Attachments: what became of policies and accesses in each environment, as its agent says. */
import { pathOf } from '../../api/client'
import { When } from '../../parts/Fresh'
import { Go, here } from '../../parts/Go'
import { codeOfCall, InCode } from '../../parts/InCode'
import { Page } from '../../parts/Page'
import { Rows } from '../../parts/Rows'
import { StateLabel } from '../../parts/State'
import { Teach } from '../../parts/Teach'

export interface Attachment {
  group: string
  environment: string
  kind: string
  name: string
  condition: string
  status: 'True' | 'False' | 'Unknown'
  reason: string
  message: string
  since: string | null
  lastAttempt: string | null
}

const PAGES: Record<string, (name: string) => string> = {
  Environment: (name) => here('environments', name),
  RegistryPolicy: (name) => here('policies', name),
  RegistryAccess: (name) => `/access?view=grants&q=${encodeURIComponent(name)}`,
}

/** What a row's status looks like. That a policy replaces an access is no fault. */
export function lookOf(row: Pick<Attachment, 'status' | 'reason'>): 'good' | 'bad' | 'off' | 'unknown' {
  if (row.reason === 'Masked') return 'off'
  return { True: 'good', False: 'bad', Unknown: 'unknown' }[row.status] as 'good' | 'bad' | 'unknown'
}

export function Attachments() {
  return (
    <Page
      title="Attachments"
      about="What became of policies and accesses in each environment: the last thing that its agent has said of each. What an agent says no more is unknown."
      actions={
        <InCode code={codeOfCall({ method: 'GET', path: pathOf('attachments'), argv: ['attachments'] })} what="List attachments" />
      }
    >
      <Rows<Attachment>
        caption="Attachments"
        path="/api/v1/attachments"
        id={(row) => [row.environment, row.kind, row.name, row.condition].join('/')}
        every={30_000}
        filters={[
          { name: 'q', title: 'Text in any column' },
          {
            name: 'status',
            title: 'Status',
            options: [
              ['True', 'holds'],
              ['False', 'does not hold'],
              ['Unknown', 'unknown'],
            ],
          },
          { name: 'group', title: 'Group (whole name)' },
          { name: 'environment', title: 'Environment (whole name)' },
        ]}
        columns={[
          { title: 'Group', cell: (row) => <Go to={here('groups', row.group)}>{row.group}</Go> },
          { title: 'Environment', cell: (row) => <Go to={here('environments', row.environment)}>{row.environment}</Go> },
          {
            title: 'What',
            cell: (row) => {
              const page = PAGES[row.kind]
              return (
                <>
                  {page ? <Go to={page(row.name)}>{row.name}</Go> : row.name} <span className="fresh">{row.kind}</span>
                </>
              )
            },
          },
          { title: 'Condition', cell: (row) => row.condition },
          { title: 'Status', cell: (row) => <StateLabel look={lookOf(row)}>{row.reason === 'Masked' ? 'Masked' : row.status}</StateLabel> },
          { title: 'Reason', cell: (row) => row.reason },
          { title: 'Message', cell: (row) => row.message },
          { title: 'Since', cell: (row) => <When at={row.since} none="not told" /> },
          { title: 'Last attempt', cell: (row) => <When at={row.lastAttempt} /> },
        ]}
        empty={
          <Teach title="Nothing is attached yet" command="portreeve attachments">
            Each policy and access stands here once for each environment that it reaches, with what the agent there says of it.
          </Teach>
        }
      />
    </Page>
  )
}
