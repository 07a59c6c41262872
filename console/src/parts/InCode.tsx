/**
 * "Do this in code": the same request as kubectl, portreeve, curl and YAML, made of the request that the page itself
 * sends. Secrets stand there as the name of a variable.
 */
import {
  Button,
  Modal,
  ModalBody,
  ModalHeader,
  Tab,
  Tabs,
  TabTitleText,
} from '@patternfly/react-core'
import CodeIcon from '@patternfly/react-icons/dist/esm/icons/code-icon'
import { useRef, useState } from 'react'

import { withQuery } from '../api/client'
import { bare, PLURALS, type Document } from '../api/documents'
import { whole } from '../api/place'
import { Copied } from './Copied'
import { command, inTurn, reading, word } from './shell'
import { yaml } from './yaml'

export interface Removal {
  kind: string
  name: string
  etag?: string | undefined
}

/** A change of documents: what a plan is made of. */
export interface Change {
  documents?: Document<any>[]
  delete?: Removal[]
  replace?: boolean
  force?: boolean
}

/** Any other request, and the words of `portreeve` that send the same. */
export interface Call {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Path with query. */
  path: string
  body?: unknown
  headers?: Record<string, string>
  /** `['rotate', 'registry', 'harbor']`, without the program. */
  argv?: string[]
  /** A whole line of shell in its place, where the command reads something: made with parts/shell alone. */
  line?: string
  kubectl?: string
  yaml?: string
  /** How it is confirmed, if it is planned first: by the plan that it answers, or once more with the digest of its dry run. */
  planned?: 'by plan' | 'by digest'
}

export interface Code {
  kubectl?: string
  portreeve?: string
  curl?: string
  yaml?: string
}

/** The variable in which commands expect an API token. */
const AUTH = '-H "Authorization: Bearer $PORTREEVE_TOKEN"'

function curl(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): string {
  const head = ['curl --fail-with-body', method === 'GET' ? '' : `-X ${method}`, AUTH].filter(Boolean).join(' ')
  const more = Object.entries(headers).map(([name, value]) => `-H ${word(`${name}: ${value}`)}`)
  const line = [head, ...more, ...(body === undefined ? [] : [`-H 'Content-Type: application/json'`]), word(whole(path))].join(' ')
  return body === undefined ? line : reading(`${line} -d @-`, JSON.stringify(body, null, 2))
}

/**
 * A request that answers a plan, and the one that carries it out. The plan is kept in a file, for whoever wants to read
 * it; where there is none, nothing is carried out. What the second one names is the first thing that the plan says.
 */
function curlOfPlan(planned: string, confirming: (part: string) => string, part: 'id' | 'digest'): string {
  const named = `"$(sed -n 's/^{"${part}":"\\([^"]*\\)".*/\\1/p' plan.json)"`
  return inTurn(planned.replace('curl', 'curl -o plan.json'), confirming(named))
}

/** The request that answers a plan with an id, as those of /api/v1/plans, and its confirmation. */
function curlOfPlans(path: string, body: unknown): string {
  return curlOfPlan(curl('POST', path, body), (id) => curl('POST', '/api/v1/plans/PLAN/confirm').replace('PLAN', () => id), 'id')
}

/** Removals of one kind that follow each other, together: what is deleted first stays first. */
function byKind(removals: Removal[]): [kind: string, names: string[]][] {
  const found: [string, string[]][] = []
  for (const { kind, name } of removals) {
    const last = found.at(-1)
    if (last?.[0] === kind) last[1].push(name)
    else found.push([kind, [name]])
  }
  return found
}

/** A change of documents in code. */
export function codeOfChange(change: Change): Code {
  const documents = (change.documents ?? []).map(bare)
  const flags = [...(change.replace ? ['--replace'] : []), ...(change.force ? ['--force'] : [])]
  const lines: string[] = []
  if (documents.length) lines.push(reading(command('portreeve', 'apply', ...flags, '-y', '-f', '-'), yaml(...documents)))
  for (const [kind, names] of byKind(change.delete ?? [])) {
    lines.push(command('portreeve', 'delete', PLURALS[kind] ?? kind, ...names, ...(change.force ? ['--force'] : []), '-y'))
  }
  const body = { documents, delete: change.delete ?? [], replace: change.replace ?? false, force: change.force ?? false }
  return {
    portreeve: inTurn(...lines),
    curl: curlOfPlans('/api/v1/plans', body),
    ...(documents.length ? { yaml: yaml(...documents) } : {}),
  }
}

function curlOfCall({ method, path, body, headers = {}, planned }: Call): string {
  if (planned === 'by plan') return curlOfPlans(path, body)
  if (planned !== 'by digest') return curl(method, path, body, headers)
  return curlOfPlan(
    curl(method, withQuery(path, { dryRun: 'All' }), body),
    (digest) => curl(method, path, body, { ...headers, 'Portreeve-Plan': 'DIGEST' }).replace(`'Portreeve-Plan: DIGEST'`, () => `"Portreeve-Plan: "${digest}`),
    'digest',
  )
}

/** Any other request in code. */
export function codeOfCall(call: Call): Code {
  return {
    ...(call.kubectl ? { kubectl: call.kubectl } : {}),
    ...(call.line ? { portreeve: call.line } : call.argv ? { portreeve: command('portreeve', ...call.argv) } : {}),
    curl: curlOfCall(call),
    ...(call.yaml ? { yaml: call.yaml } : {}),
  }
}

const titles: [keyof Code, string][] = [
  ['portreeve', 'portreeve'],
  ['kubectl', 'kubectl'],
  ['curl', 'curl'],
  ['yaml', 'YAML'],
]

/** The forms themselves, for a place that shows them at once. */
export function CodeForms({ code }: { code: Code }) {
  const forms = titles.filter(([form]) => code[form])
  const [open, set] = useState<keyof Code>(forms[0]?.[0] ?? 'portreeve')
  return (
    <Tabs activeKey={open} onSelect={(_, form) => set(form as keyof Code)} aria-label="Forms of code" inset={{ default: 'insetNone' }}>
      {forms.map(([form, title]) => (
        <Tab key={form} eventKey={form} title={<TabTitleText>{title}</TabTitleText>}>
          <Copied text={code[form] ?? ''} what={title} />
        </Tab>
      ))}
    </Tabs>
  )
}

/**
 * The button, and what it opens. In a dialog it opens within that: beside it in the page, the dialog would hide it from
 * screen readers at its next rendering, and one Escape would close both.
 */
export function InCode({ code, what }: { code: Code; what: string }) {
  const [open, set] = useState(false)
  const button = useRef<HTMLButtonElement>(null)
  const around = () => button.current?.closest<HTMLElement>('.pf-v6-c-backdrop') ?? document.body
  return (
    <>
      <Button ref={button} variant="link" icon={<CodeIcon />} onClick={() => set(true)}>
        Do this in code
      </Button>
      {open ? (
        <Modal
          isOpen
          appendTo={around}
          onClose={() => set(false)}
          onEscapePress={(event) => {
            event.stopPropagation()
            set(false)
          }}
          variant="medium"
          aria-label="Do this in code"
        >
          <ModalHeader title="Do this in code" description={what} />
          <ModalBody>
            <CodeForms code={code} />
          </ModalBody>
        </Modal>
      ) : null}
    </>
  )
}
