/** The agent: how it stands, the one command that enrols it, waiting for it, and shutting it out. */
import {
  Alert,
  Button,
  DescriptionList,
  DescriptionListDescription,
  DescriptionListGroup,
  DescriptionListTerm,
  List,
  ListItem,
  Modal,
  ModalBody,
  ModalFooter,
  ModalHeader,
  Spinner,
  Title,
} from '@patternfly/react-core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'

import { pathOf, send } from '../../api/client'
import { Copied } from '../../parts/Copied'
import { When } from '../../parts/Fresh'
import { codeOfCall, InCode } from '../../parts/InCode'
import { useSay } from '../../parts/Say'
import { command } from '../../parts/shell'
import { StateLabel } from '../../parts/State'
import { MayButton } from '../../parts/Who'
import { Wrong } from '../../parts/Wrong'
import { agentWords, isKubernetes, type AgentStatus, type Environment } from './environment'

interface Enrolment {
  environment: string
  join: string
  server: string
  expiresAt: string
  command: string
}

const WAIT_MS = 3_000

export function Agent({ environment }: { environment: Environment }) {
  const { name } = environment.metadata
  const agent = environment.status?.agent
  const [shutting, shut] = useState(false)
  if (!isKubernetes(environment)) {
    return (
      <Alert variant="info" isInline title="A Docker host or Swarm has no agent">
        Its grants and its policy count where somebody deploys through Portreeve. Nothing is delivered to it, and it enforces nothing itself.
      </Alert>
    )
  }
  const there = agent?.state === 'active' || agent?.state === 'local'
  return (
    <>
      <DescriptionList isHorizontal isCompact>
        <Fact term="Agent">
          <StateLabel look={!agent || agent.state === 'none' ? 'unknown' : agent.connected ? 'good' : agent.state === 'active' || agent.state === 'local' ? 'warning' : 'bad'}>
            {agentWords(agent)}
          </StateLabel>{' '}
          {agent?.state === 'none' || !agent ? '' : agent.connected ? 'and there now' : 'and not there now'}
        </Fact>
        <Fact term="Seen">
          <When at={agent?.lastSeen} />
        </Fact>
        <Fact term="Cluster, as it says itself">{agent?.cluster || 'not told'}</Fact>
        <Fact term="Enrolled">
          <When at={agent?.enrolledAt} />
        </Fact>
        <Fact term="Certificate ends">
          <When at={agent?.certificateExpiresAt} none={agent?.state === 'local' ? 'it has none' : 'there is none'} />
        </Fact>
      </DescriptionList>
      {there ? (
        <div className="page-actions">
          <MayButton kind="environment" action="enrol" variant="secondary" isDanger onClick={() => shut(true)}>
            Shut the agent out
          </MayButton>
        </div>
      ) : null}
      <Enrol name={name} agent={agent} />
      {shutting ? <ShutOut name={name} agent={agent} onClose={() => shut(false)} /> : null}
    </>
  )
}

function Fact({ term, children }: { term: string; children: React.ReactNode }) {
  return (
    <DescriptionListGroup>
      <DescriptionListTerm>{term}</DescriptionListTerm>
      <DescriptionListDescription>{children}</DescriptionListDescription>
    </DescriptionListGroup>
  )
}

/** How to have it run in the cluster: the token goes into a Secret. */
export function inCluster(enrolment: Enrolment): string {
  const { join, server, environment } = enrolment
  return [
    'kubectl create namespace portreeve-system',
    `printf %s ${join} | ${command('kubectl', '-n', 'portreeve-system', 'create', 'secret', 'generic', 'portreeve-agent-join', '--from-file=token=/dev/stdin', `--from-literal=server=${server}`)}`,
    command('helm', 'install', 'portreeve-agent', 'deploy/helm/agent', '-n', 'portreeve-system', '--set', `server=${server}`, '--set', `cluster=${environment}`, '--set', 'join.existingSecret=portreeve-agent-join'),
  ].join('\n')
}

/** The command, once asked for; then it waits until an agent is there that was not before. */
function Enrol({ name, agent }: { name: string; agent: AgentStatus | undefined }) {
  const [enrolment, set] = useState<Enrolment | null>(null)
  const [wrong, fail] = useState<unknown>(null)
  const before = useRef<string | null>(null)
  const client = useQueryClient()
  const say = useSay()
  const path = `${pathOf('environments', name)}/enrolment`
  const ask = async () => {
    fail(null)
    try {
      before.current = agent?.enrolledAt ?? null
      set(await send<Enrolment>(path, { method: 'POST' }))
    } catch (error) {
      fail(error)
    }
  }
  const { data: now } = useQuery({
    queryKey: ['agent', name],
    queryFn: () => send<{ agent: AgentStatus }>(`${pathOf('environments', name)}/agent`),
    enabled: enrolment !== null,
    refetchInterval: WAIT_MS,
  })
  const joined = Boolean(enrolment && now?.agent.enrolledAt && now.agent.enrolledAt !== before.current)
  const came = joined && Boolean(now?.agent.connected)
  useEffect(() => {
    if (!came) return
    say(`The agent of ${name} is there`)
    void client.invalidateQueries({ queryKey: ['environment', name] })
  }, [came])
  const again = agent && agent.state !== 'none'
  return (
    <section aria-label="Enrol an agent">
      <Title headingLevel="h2" size="lg">
        {again ? 'Enrol another agent' : 'Enrol an agent'}
      </Title>
      <p>
        One command, run where the cluster is. Its token counts once and for an hour, and lets the agent know this control plane again.
        {again ? ' The agent that is there now is shut out once another one has joined.' : ''}
      </p>
      {wrong ? <Wrong error={wrong} title="No command could be made" again={() => void ask()} /> : null}
      {enrolment ? (
        <>
          <Copied text={enrolment.command} what="the enrolment command" />
          <p className="fresh">
            The token is shown this once and stored nowhere; it ends <When at={enrolment.expiresAt} />.
          </p>
          <details>
            <summary>Or have the agent run in the cluster</summary>
            <Copied text={inCluster(enrolment)} what="the commands for the cluster" />
          </details>
          <p role="status">
            {came ? (
              <StateLabel look="good">The agent is there</StateLabel>
            ) : (
              <>
                <Spinner size="md" aria-label="Waiting" />{' '}
                {joined ? 'It has enrolled. Waiting for it to ask for what is wanted: portreeve-agent run' : 'Waiting for the agent…'}
              </>
            )}
          </p>
          {came ? null : (
            <Button variant="link" isInline onClick={() => set(null)}>
              Wait no longer
            </Button>
          )}
        </>
      ) : (
        <>
          <MayButton kind="environment" action="enrol" variant="primary" onClick={() => void ask()}>
            Make the enrolment command
          </MayButton>{' '}
          <InCode code={codeOfCall({ method: 'POST', path, argv: ['add', 'environment', name] })} what={`Enrol an agent in ${name}`} />
        </>
      )}
    </section>
  )
}

function ShutOut({ name, agent, onClose }: { name: string; agent: AgentStatus | undefined; onClose: () => void }) {
  const [wrong, fail] = useState<unknown>(null)
  const client = useQueryClient()
  const say = useSay()
  const path = `${pathOf('environments', name)}/agent`
  const shut = async () => {
    try {
      await send(path, { method: 'DELETE' })
      await client.invalidateQueries({ queryKey: ['environment', name] })
      say(`The agent of ${name} is shut out`)
      onClose()
    } catch (error) {
      fail(error)
    }
  }
  return (
    <Modal isOpen onClose={onClose} variant="medium" aria-label={`Shut out the agent of ${name}`}>
      <ModalHeader title={`Shut out the agent of ${name}`} description="At once. It is no plan: no document changes." />
      <ModalBody>
        {wrong ? <Wrong error={wrong} /> : null}
        <List>
          <ListItem>
            Ends: its certificate, and every token that could enrol an agent here. It was seen <When at={agent?.lastSeen} />.
          </ListItem>
          <ListItem>Stays in the cluster: pull secrets, entries in ServiceAccounts, the admission policy. Nobody renews them.</ListItem>
          <ListItem>Stays valid: the logins in those pull secrets. If the agent is not trusted, rotate them at their registries.</ListItem>
          <ListItem>Afterwards: the environment is Unknown until another agent is enrolled.</ListItem>
        </List>
      </ModalBody>
      <ModalFooter>
        <Button variant="danger" onClick={() => void shut()}>
          Shut it out
        </Button>
        <Button variant="link" onClick={onClose}>
          Cancel
        </Button>
        <InCode code={codeOfCall({ method: 'DELETE', path, argv: ['revoke', '--agent', name, '-y'] })} what={`Shut out the agent of ${name}`} />
      </ModalFooter>
    </Modal>
  )
}
