import { Page } from "../components/Page";
import TaskComponent from "../components/TaskComponent";

/** Create a task. */
export function CreatePage() {
  return (
    <Page title="Create a task">
      <TaskComponent />
    </Page>
  );
}
