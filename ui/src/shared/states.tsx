/** What a page shows while it has nothing to show: it loads, there is nothing, or it failed. */
import { Alert, Button, EmptyState, Skeleton, Stack, VStack } from "@chakra-ui/react";
import type { ReactElement, ReactNode } from "react";

/** Grey lines, with words for those who do not see them. */
export function Loading({ lines = 4, what = "Loading" }: { lines?: number; what?: string }): ReactElement {
  return (
    <Stack aria-busy="true" aria-label={what} gap={3} p={4} role="status">
      {Array.from({ length: lines }, (_, line) => (
        <Skeleton height={5} key={line} />
      ))}
    </Stack>
  );
}

/** Nothing there: says so, and what the next step is. */
export function Empty({ title, children }: { title: string; children?: ReactNode }): ReactElement {
  return (
    <EmptyState.Root>
      <EmptyState.Content>
        <VStack textAlign="center">
          <EmptyState.Title>{title}</EmptyState.Title>
          {children === undefined ? null : <EmptyState.Description>{children}</EmptyState.Description>}
        </VStack>
      </EmptyState.Content>
    </EmptyState.Root>
  );
}

/** It did not work: why, and a way to try again. */
export function Failed({ error, again }: { error: Error; again?: () => void }): ReactElement {
  return (
    <Alert.Root status="error">
      <Alert.Indicator />
      <Alert.Content>
        <Alert.Title>This could not be loaded</Alert.Title>
        <Alert.Description>{error.message}</Alert.Description>
      </Alert.Content>
      {again === undefined ? null : (
        <Button alignSelf="center" onClick={again} size="sm" variant="outline">
          Try again
        </Button>
      )}
    </Alert.Root>
  );
}
