/**
 * Plan and confirm without a dialog, for the last step of a wizard: the plan of one new document stands under its form,
 * and the button confirms the plan that stands there. While the form changes, there is none to confirm.
 */
import { Button, Spinner } from '@patternfly/react-core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState, type ReactNode } from 'react'

import { sendWhole } from '../api/client'
import { PLURALS, type Document } from '../api/documents'
import { PlanShown, type Plan } from './ConfirmChange'
import { codeOfChange, InCode, type Code } from './InCode'
import { Wrong } from './Wrong'

const WAIT_MS = 400

/** The value, once it has stood still for a while. */
export function useSettled<Value>(value: Value, wait = WAIT_MS): [Value, boolean] {
  const [held, hold] = useState(value)
  const key = JSON.stringify(value)
  useEffect(() => {
    const timer = setTimeout(() => hold(value), wait)
    return () => clearTimeout(timer)
  }, [key])
  return [held, JSON.stringify(held) === key]
}

export interface PlanBesideProps {
  /** What would be created; null while the form is not whole. */
  document: Document<any> | null
  verb: string
  /** The document is there. What is done here still belongs to it: the button waits. */
  onDone: () => Promise<void> | void
  /** What the code drawer shows besides creating the document. */
  code?: Code
  /** Why the button cannot be pressed yet. */
  missing?: string
  beside?: ReactNode
}

export function PlanBeside({ document, verb, onDone, code, missing, beside }: PlanBesideProps) {
  const [asked, still] = useSettled(document)
  const path = asked ? `/api/v1/${PLURALS[asked.kind] ?? ''}` : ''
  const { data: plan, error, isFetching } = useQuery<Plan>({
    queryKey: ['plan', 'new', asked],
    queryFn: async () => (await sendWhole<Plan>(path, { method: 'POST', query: { dryRun: 'All' }, body: asked })).body,
    enabled: asked !== null,
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  })
  const [working, work] = useState(false)
  const [refused, refuse] = useState<unknown>(null)
  const client = useQueryClient()
  useEffect(() => refuse(null), [asked])

  const confirm = async () => {
    if (!plan || !asked) return
    work(true)
    refuse(null)
    try {
      await sendWhole(path, { method: 'POST', body: asked, headers: { 'Portreeve-Plan': plan.digest } })
      await client.invalidateQueries({ predicate: (query) => query.queryKey[0] !== 'plan' })
      await onDone()
    } catch (failed) {
      refuse(failed)
    } finally {
      work(false)
    }
  }
  const ready = plan && !isFetching && still && document !== null && !missing && !plan.refusals.length && !plan.conflicts.length && !working
  return (
    <section className="plan-beside" aria-label="What this would do">
      <h3>What this would do</h3>
      <div aria-live="polite">
        {missing ? <p className="fresh">{missing}</p> : null}
        {!missing && error && still ? <Wrong error={error} title="It cannot be stored like this" /> : null}
        {!missing && isFetching ? <Spinner size="md" aria-label="Planning" /> : null}
        {!missing && plan && still ? <PlanShown plan={plan} /> : null}
      </div>
      {refused ? <Wrong error={refused} /> : null}
      <div className="buttons">
        <Button variant="primary" isDisabled={!ready} isLoading={working} spinnerAriaValueText="Working" onClick={() => void confirm()}>
          {verb}
        </Button>
        {beside}
        {document ? <InCode code={code ?? codeOfChange({ documents: [document] })} what={verb} /> : null}
      </div>
    </section>
  )
}
