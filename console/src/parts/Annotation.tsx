/** The annotation of a registry, to be taken along; and mostly the answer that nothing is needed. */
import {
  Alert,
  Form,
  FormGroup,
  FormSelect,
  FormSelectOption,
  Modal,
  ModalBody,
  ModalHeader,
  Spinner,
  Tab,
  Tabs,
  TabTitleText,
  TextInput,
} from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'

import { pathOf, send } from '../api/client'
import type { Document, List } from '../api/documents'
import { Copied } from './Copied'
import { annotated, helmValues, kustomizePatch, type Usage } from './usage'
import { Wrong } from './Wrong'
import { yaml } from './yaml'

const NAMESPACE = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/

export interface AnnotationProps {
  registry: string
  environment?: string
  namespace?: string
  onClose: () => void
}

export function AnnotationDialog(props: AnnotationProps) {
  const { registry } = props
  const [environment, setEnvironment] = useState(props.environment ?? '')
  const [namespace, setNamespace] = useState(props.namespace ?? 'default')
  const [form, setForm] = useState<string | number>('yaml')
  const fits = NAMESPACE.test(namespace)
  const { data: environments } = useQuery({
    queryKey: ['list', '/api/v1/environments', 'names'],
    queryFn: () => send<List<Document>>('/api/v1/environments', { query: { limit: 200 } }),
  })
  const { data, error, refetch } = useQuery({
    queryKey: ['usage', registry, environment, namespace],
    queryFn: () => send<Usage>(pathOf('registries', registry, 'usage'), { query: { environment, namespace } }),
    enabled: fits,
  })
  return (
    <Modal isOpen onClose={props.onClose} variant="medium" aria-label={`Annotation of ${registry}`}>
      <ModalHeader title={`Annotation of ${registry}`} description="What a workload says to have this registry delivered to its namespace." />
      <ModalBody>
        <Form isHorizontal onSubmit={(event) => event.preventDefault()}>
          <FormGroup label="Environment" fieldId="annotation-environment">
            <FormSelect id="annotation-environment" value={environment} onChange={(_, value) => setEnvironment(value)}>
              <FormSelectOption value="" label="any" />
              {environments?.items.map((one) => (
                <FormSelectOption key={one.metadata.name} value={one.metadata.name} label={one.metadata.name} />
              ))}
            </FormSelect>
          </FormGroup>
          <FormGroup label="Namespace" fieldId="annotation-namespace">
            <TextInput
              id="annotation-namespace"
              value={namespace}
              onChange={(_, value) => setNamespace(value)}
              validated={fits ? 'default' : 'error'}
              autoComplete="off"
            />
          </FormGroup>
        </Form>
        <div aria-live="polite">
          {error ? <Wrong error={error} again={() => void refetch()} /> : null}
          {!data && !error && fits ? <Spinner size="md" aria-label="Loading" /> : null}
          {data?.granted === true ? (
            <Alert variant="success" isInline title="You need nothing: this namespace already has access">
              Pods in {namespace} pull from it as they are. With delivery by workload the annotation says that this one needs it although
              its images do not come from there yet.
            </Alert>
          ) : null}
          {data?.granted === false ? (
            <Alert variant="warning" isInline title={`It is not granted in ${environment}/${namespace}`}>
              The annotation alone gives no access. Somebody who may grant it has to:
              <Copied text={`portreeve grant ${registry} --environment ${environment} -n ${namespace}`} what="the command" />
            </Alert>
          ) : null}
        </div>
        {data ? (
          <Tabs activeKey={form} onSelect={(_, key) => setForm(key)} aria-label="Forms of the annotation">
            <Tab eventKey="yaml" title={<TabTitleText>YAML</TabTitleText>}>
              <Copied text={annotated(data.annotation)} what="the pod template" />
            </Tab>
            <Tab eventKey="line" title={<TabTitleText>Line</TabTitleText>}>
              <Copied text={`${data.annotation.key}: ${data.annotation.value}`} what="the annotation" />
            </Tab>
            <Tab eventKey="helm" title={<TabTitleText>Helm values</TabTitleText>}>
              <Copied text={helmValues(data.annotation)} what="the values" />
              <p className="fresh">Most charts call it podAnnotations; see the chart’s own values.</p>
            </Tab>
            <Tab eventKey="kustomize" title={<TabTitleText>Kustomize</TabTitleText>}>
              <Copied text={kustomizePatch(data.annotation)} what="the patch" />
              <p className="fresh">The pod template must have annotations already; an empty mapping is enough.</p>
            </Tab>
            <Tab eventKey="pod" title={<TabTitleText>Pod</TabTitleText>}>
              <Copied text={yaml(data.pod)} what="the pod" />
            </Tab>
            <Tab eventKey="secret" title={<TabTitleText>Pull secret</TabTitleText>}>
              <p>
                The Secret <code>{data.pullSecret.name}</code> of type <code>{data.pullSecret.type}</code> holds:
              </p>
              <Copied text={JSON.stringify(data.pullSecret.content, null, 2)} what="what it holds" />
              <ul>
                {data.pullSecret.explained.map((one) => (
                  <li key={one}>{one}</li>
                ))}
              </ul>
            </Tab>
          </Tabs>
        ) : null}
      </ModalBody>
    </Modal>
  )
}
