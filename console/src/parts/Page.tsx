/** The frame of a page: title, what it is for, its state, its actions. */
import { Breadcrumb, BreadcrumbItem, PageSection, Title } from '@patternfly/react-core'
import { useEffect, type ReactNode } from 'react'

import { Go } from './Go'

export interface PageProps {
  title: string
  /** One sentence: what is to be seen here. */
  about?: ReactNode
  /** Where it lies, from the outside in: the page itself is added. */
  above?: { title: string; to: string }[]
  /** State labels, beside the title. */
  state?: ReactNode
  /** Freshness, under the title. */
  fresh?: ReactNode
  /** Buttons. */
  actions?: ReactNode
  children: ReactNode
}

export function Page({ title, about, above, state, fresh, actions, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · Portreeve`
  }, [title])
  return (
    <>
      <PageSection hasBodyWrapper={false} className="page-head" aria-label="Head of the page">
        {above ? (
          <Breadcrumb>
            {above.map((one) => (
              <BreadcrumbItem key={one.to}>
                <Go to={one.to}>{one.title}</Go>
              </BreadcrumbItem>
            ))}
            <BreadcrumbItem isActive>{title}</BreadcrumbItem>
          </Breadcrumb>
        ) : null}
        <div className="page-title">
          <Title headingLevel="h1">{title}</Title>
          {state}
          <div className="page-actions">{actions}</div>
        </div>
        {about ? <p className="about">{about}</p> : null}
        {fresh ? <p>{fresh}</p> : null}
      </PageSection>
      <PageSection hasBodyWrapper={false} isFilled aria-label={title}>
        {children}
      </PageSection>
    </>
  )
}
